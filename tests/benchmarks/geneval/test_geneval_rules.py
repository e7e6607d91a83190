from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from geneval_cases import by_score, clause, detections, prompt, prompts
from hypothesis import given
from hypothesis import strategies as st

from evalharness.api.detector import Detection
from evalharness.benchmarks.geneval.scoring_rules import Rules, iou, judge, keep, objects_to_color, relations

RULES = Rules()


def found(cls: str, score: float = 0.8, x: float = 0, y: float = 0, size: float = 10) -> Detection:
    return Detection(cls, (x, y, x + size, y + size), score)


def never(detection: Detection) -> str:
    raise AssertionError(f"no colour is needed, that of {detection} was asked for")


def reason(detections: list[Detection], metadata: dict[str, Any], colors: dict[Detection, str] | None = None) -> str:
    verdict = judge(detections, metadata, RULES, colors.__getitem__ if colors is not None else never)
    assert verdict.correct == (verdict.reason == "")
    return verdict.reason


# --- presence and counts ---


def test_present() -> None:
    assert reason([found("dog"), found("cat")], prompt(clause("dog"), clause("cat"))) == ""


def test_every_missing_class_is_named() -> None:
    assert reason([], prompt(clause("dog"), clause("cat", 3))) == "expected dog>=1, found 0\nexpected cat>=3, found 0"


def test_the_threshold_is_exclusive() -> None:
    assert reason([found("dog", 0.3)], prompt(clause("dog"))) == "expected dog>=1, found 0"
    assert reason([found("dog", 0.3001)], prompt(clause("dog"))) == ""


@given(st.floats(0.01, 1), st.integers(-2, 2), st.sampled_from(["counting", "colors"]))
def test_scores_and_thresholds_are_single_numbers(threshold: float, steps: int, tag: str) -> None:
    """A score that rounds to the threshold is not above it, nor is one whose double is."""
    score = np.array(threshold, np.float32)
    for _ in range(abs(steps)):
        score = np.nextafter(score, np.float32(2 if steps > 0 else -1))
    rules = Rules(threshold=threshold, counting_threshold=threshold)
    assert bool(keep([found("dog", float(score))], tag, rules)) == (steps > 0)


def test_counting_has_its_own_threshold() -> None:
    metadata = prompt(clause("dog", 2), tag="counting", exclude=[clause("dog", 3)])
    assert reason([found("dog", 0.95), found("dog", 0.9)], metadata) == "expected dog>=2, found 1"
    assert reason([found("dog", 0.95), found("dog", 0.91), found("dog", 0.89)], metadata) == ""


def test_too_many() -> None:
    metadata = prompt(clause("dog", 2), tag="counting", exclude=[clause("dog", 3), clause("cat", 1)])
    assert reason([found("dog", 0.95)] * 4, metadata) == "expected dog<3, found 4"
    assert reason([found("dog", 0.95)] * 3 + [found("cat", 0.95)], metadata) == (
        "expected dog<3, found 3\nexpected cat<1, found 1"
    )


def test_too_few_and_excluded_are_both_reported() -> None:
    metadata = prompt(clause("dog", 2), exclude=[clause("dog", 1)])
    assert reason([found("dog")], metadata) == "expected dog>=2, found 1\nexpected dog<1, found 1"


def test_at_most_sixteen_of_a_class() -> None:
    dogs = [found("dog", 0.4 + index / 100) for index in range(20)]
    kept = keep(dogs, "two_object", RULES)["dog"]
    assert [dog.score for dog in kept] == [dog.score for dog in reversed(dogs[4:])]
    assert reason(dogs, prompt(clause("dog", 17))) == "expected dog>=17, found 16"


# --- colours ---


def test_right_color() -> None:
    dog = found("dog")
    assert reason([dog], prompt(clause("dog", color="red")), {dog: "red"}) == ""


def test_wrong_colors_are_listed_in_the_order_of_the_vocabulary() -> None:
    dogs = [found("dog", score) for score in (0.9, 0.8, 0.7, 0.6)]
    colors = dict(zip(dogs, ("white", "red", "orange", "white"), strict=True))
    assert reason(dogs, prompt(clause("dog", 4, color="red")), colors) == (
        "expected red dog>=4, found 1 red; and 1 red, 1 orange, 2 white"
    )


def test_only_the_best_objects_are_taken_for_their_color() -> None:
    best, second = found("dog", 0.9), found("dog", 0.8)
    assert reason([second, best], prompt(clause("dog", color="red")), {best: "blue"}) == (
        "expected red dog>=1, found 0 red; and 1 blue"
    )


def test_no_color_is_asked_for_where_objects_are_missing() -> None:
    assert reason([found("dog")], prompt(clause("dog", 2, color="red"))) == "expected dog>=2, found 1"


# --- positions ---

DOG_LEFT_OF_CAT = prompt(clause("cat"), clause("dog", position=["left of", 0]), tag="position")


def test_right_position() -> None:
    assert reason([found("dog", x=0), found("cat", x=50)], DOG_LEFT_OF_CAT) == ""


def test_wrong_position() -> None:
    assert reason([found("dog", x=50), found("cat", x=0)], DOG_LEFT_OF_CAT) == (
        "expected dog left of target, found right of target"
    )


def test_no_relation_leaves_two_spaces() -> None:
    assert reason([found("dog"), found("cat")], DOG_LEFT_OF_CAT) == "expected dog left of target, found  target"


def test_two_relations() -> None:
    assert reason([found("dog", x=50, y=50), found("cat")], DOG_LEFT_OF_CAT) == (
        "expected dog left of target, found right of and below target"
    )


def test_no_target() -> None:
    assert reason([found("dog")], DOG_LEFT_OF_CAT) == "expected cat>=1, found 0\nno target for dog to be left of"
    assert reason([found("cat")], DOG_LEFT_OF_CAT) == "expected dog>=1, found 0"
    assert reason([], DOG_LEFT_OF_CAT) == "expected cat>=1, found 0\nexpected dog>=1, found 0"


def test_a_target_of_the_wrong_color_is_no_target() -> None:
    cat, dog = found("cat", x=50), found("dog")
    metadata = prompt(clause("cat", color="red"), clause("dog", position=["left of", 0]))
    assert reason([cat, dog], metadata, {cat: "blue"}) == (
        "expected red cat>=1, found 0 red; and 1 blue\nno target for dog to be left of"
    )


def test_a_wrong_color_hides_the_position() -> None:
    cat, dog = found("cat"), found("dog", x=50)
    metadata = prompt(clause("cat"), clause("dog", color="red", position=["left of", 0]))
    assert reason([cat, dog], metadata, {dog: "blue"}) == "expected red dog>=1, found 0 red; and 1 blue"
    assert reason([cat, dog], metadata, {dog: "red"}) == "expected dog left of target, found right of target"


def test_every_pair_must_hold_the_first_failure_is_reported_and_later_clauses_go_on() -> None:
    metadata = prompt(clause("cat", 2), clause("dog", 2, position=["left of", 0]), clause("cow"))
    cats = [found("cat", 0.9, x=50), found("cat", 0.8, x=30, y=100)]
    dogs = [found("dog", 0.9, x=0), found("dog", 0.8, x=100)]
    assert reason(cats + dogs, metadata) == (
        "expected dog left of target, found above target\nexpected cow>=1, found 0"
    )


def test_a_misplaced_group_is_no_target_for_later_clauses() -> None:
    metadata = prompt(clause("cat"), clause("dog", position=["left of", 0]), clause("cow", position=["above", 1]))
    detections = [found("cat"), found("dog", x=50), found("cow", x=50, y=-50)]
    assert reason(detections, metadata) == (
        "expected dog left of target, found right of target\nno target for cow to be above"
    )


@pytest.mark.parametrize(
    ("dx", "dy", "expected"),
    [
        (0, 0, []),
        (2, 0, []),  # 0.1 × (10 + 10) = 2 is shrunk to nothing
        (3, 0, []),  # 1 / 3 of the offset is left: too little
        (4, 0, []),  # exactly one half
        (5, 0, ["right of"]),
        (-5, 0, ["left of"]),
        (0, 5, ["below"]),
        (0, -5, ["above"]),
        (40, 40, ["right of", "below"]),
        (-40, -40, ["left of", "above"]),
        (40, 10, ["right of"]),
    ],
)
def test_relations(dx: float, dy: float, expected: list[str]) -> None:
    assert relations(found("dog", x=100 + dx, y=100 + dy), found("cat", x=100, y=100), 0.1) == expected


# --- overlaps ---


def test_iou_counts_both_ends() -> None:
    assert iou(found("dog", size=9), found("dog", size=9)) == 1.0
    assert iou(found("dog", size=9), found("dog", x=5, size=9)) == np.float32(50 / 150)
    assert iou(found("dog", size=9), found("dog", x=50, size=9)) == 0.0


@given(st.lists(st.integers(0, 40), min_size=8, max_size=8), st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.7, 0.9]))
def test_an_overlap_is_a_single_number_as_published(corners: list[int], limit: float) -> None:
    """NumPy divides the areas of boxes in single precision; the quotient is compared with the limit in double."""
    boxes = np.sort(np.array(corners).reshape(2, 2, 2), axis=1).reshape(2, 4)
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    shared = int(np.clip(boxes[:, 2:].min(axis=0) - boxes[:, :2].max(axis=0) + 1, 0, None).prod())
    union = int(sides.prod(axis=1).sum()) - shared
    dogs = [Detection("dog", tuple(map(float, box)), score) for box, score in zip(boxes, (0.9, 0.8), strict=True)]
    kept = keep(dogs, "two_object", Rules(max_overlap=limit))["dog"]
    assert len(kept) == (2 if float(np.float32(shared) / np.float32(union)) < limit else 1)


def test_seven_tenths_is_less_than_seven_tenths() -> None:
    dogs = [Detection("dog", (0, 0, 9, 0), 0.9), Detection("dog", (0, 0, 6, 0), 0.8)]
    assert len(keep(dogs, "two_object", Rules(max_overlap=0.7))["dog"]) == 2


def test_overlapping_detections_are_dropped_on_demand() -> None:
    dogs = [found("dog", 0.9, size=9), found("dog", 0.8, x=5, size=9), found("dog", 0.7, x=10, size=9)]
    assert len(keep(dogs, "two_object", RULES)["dog"]) == 3
    assert keep(dogs, "two_object", Rules(max_overlap=0.34))["dog"] == dogs
    # The second goes for the first; the third only overlaps the second, which is gone.
    assert keep(dogs, "two_object", Rules(max_overlap=1 / 3))["dog"] == [dogs[0], dogs[2]]


# --- what must not matter ---


@given(detections(), prompts(), st.randoms(use_true_random=False))
def test_the_order_of_the_detections(found: list[Detection], metadata: dict[str, Any], random: Any) -> None:
    shuffled = random.sample(found, len(found))
    assert judge(shuffled, metadata, RULES, by_score) == judge(found, metadata, RULES, by_score)


@given(detections(), prompts(), st.integers(1, 20))
def test_a_class_that_is_not_mentioned(found: list[Detection], metadata: dict[str, Any], number: int) -> None:
    more = found + [Detection("zebra", (0.0, 0.0, 50.0, 50.0), 0.99)] * number
    before, after = judge(found, metadata, RULES, by_score), judge(more, metadata, RULES, by_score)
    assert (after.correct, after.reason) == (before.correct, before.reason)


@given(detections(), prompts())
def test_mirroring_swaps_left_and_right(found: list[Detection], metadata: dict[str, Any]) -> None:
    swap = {"left of": "right of", "right of": "left of", "above": "above", "below": "below"}
    include = [
        clause | ({"position": [swap[clause["position"][0]], clause["position"][1]]} if "position" in clause else {})
        for clause in metadata["include"]
    ]
    mirrored = [
        replace(detection, box=(200 - detection.box[2], detection.box[1], 200 - detection.box[0], detection.box[3]))
        for detection in found
    ]
    before = judge(found, metadata, RULES, by_score)
    after = judge(mirrored, metadata | {"include": include}, RULES, by_score)
    assert after.correct == before.correct
    words = after.reason.replace("left of", "\0").replace("right of", "left of").replace("\0", "right of")
    assert words == before.reason


@given(detections(), prompts())
def test_colors_are_known_wherever_the_rules_ask(found: list[Detection], metadata: dict[str, Any]) -> None:
    asked: list[Detection] = []

    def color_of(detection: Detection) -> str:
        asked.append(detection)
        return by_score(detection)

    judge(found, metadata, RULES, color_of)
    known = set(map(id, objects_to_color(found, metadata)))
    assert set(map(id, asked)) <= known
