"""Scorers on images: known verdicts, golden files, and faults that both must see."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from squares_benchmark import Squares, SquareScorer

from evalharness.doctor import golden
from evalharness.doctor.checks import embedded_check
from evalharness.doctor.golden import GoldenObject
from evalharness.doctor.golden_comparison import compare_golden, unmatched
from evalharness.doctor.scorer_check import ScorerCheck, describe_identity
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.types.score import Score


def examination(**settings: Any) -> ScorerCheck:
    return ScorerCheck("squares", Squares(Squares.Settings(**settings)))


def lines(findings: Any) -> list[str]:
    return [finding.line() for finding in findings]


# --- known verdicts ---


def test_a_scorer_in_order() -> None:
    check = examination()
    assert lines(check.check_verdicts()) == [
        "ok    squares detector: 6 images with known verdicts, all judged right (square embedded)",
        "ok    squares colours: 6 images with known verdicts, all judged right (square embedded)",
    ]
    assert list(check.check_verdicts())
    assert check.scorer.looked == 12, "it looks once"  # type: ignore[attr-defined]


def test_a_scorer_at_fault() -> None:
    check = examination()
    check.scorer.swapped = True  # type: ignore[attr-defined]
    first, second = check.check_verdicts()
    assert (first.status, second.status) == ("fail", "fail")
    assert first.message == (
        "6 of 6 images judged wrongly (red 6/6); the first, a right image of 'a red square 0', was called wrong: not "
        "red (square embedded)"
    )
    assert "CUDA_VISIBLE_DEVICES=" in first.advice


def test_a_scorer_of_which_nothing_is_known() -> None:
    (finding,) = examination(known=False).check_verdicts()
    assert finding.line() == (
        "warn  squares: 12 objects found in 12 images; what is right is not known (square embedded); write a golden "
        "file on a machine that you trust (--write-golden FILE), and compare (--golden FILE)"
    )


def test_identities_in_short() -> None:
    digest = "0123456789" * 6 + "abcd"
    assert describe_identity(
        {"protocol": "x", "detector": {"name": "d", "weights": digest}, "colors": {"name": "c"}}
    ) == ("d 01234567, c")
    assert describe_identity({"name": "m", "hub": "a/b", "revision": digest}) == "m 01234567"


@pytest.mark.slow
def test_the_embedded_networks() -> None:
    check = embedded_check()
    assert [(finding.check, finding.status) for finding in check.check_verdicts()] == [
        ("embedded detector", "ok"),
        ("embedded colours", "ok"),
    ]
    assert {specimen.item.category for specimen in check.specimens} == {
        "single_object", "two_object", "counting", "colors", "position", "color_attr"
    }  # fmt: skip


def _shuffled_labels(scorer: Any) -> None:
    detect = scorer.detector.detect

    def shuffled(images: Any, floor: float = 0.0) -> Any:
        detections = detect(images, floor)
        return detections[1:] + detections[:1]

    scorer.detector.detect = shuffled


def _shuffled_colours(scorer: Any) -> None:
    classify = scorer.colours.classify
    names = list(scorer.colours.colors)
    turned = dict(zip(names, names[1:] + names[:1], strict=True))
    scorer.colours.classify = lambda objects: [turned[name] for name in classify(objects)]


def _random_weights(scorer: Any) -> None:
    import torch

    model, _ = scorer.detector.load()
    torch.manual_seed(0)
    for value in model.class_predictor.parameters():
        torch.nn.init.normal_(value)


def _swapped_channels(scorer: Any) -> None:
    detect = scorer.detector.detect

    def swapped(images: Any, floor: float = 0.0) -> Any:
        return detect([Image.merge("RGB", image.split()[::-1]) for image in images], floor)

    scorer.detector.detect = swapped


@pytest.mark.slow
def test_golden_images_tell_swapped_channels_apart(tmp_path: Path) -> None:
    golden.write_golden(tmp_path / "golden.json", [embedded_check()])
    recorded = golden.read_golden(tmp_path / "golden.json")
    (same,) = compare_golden(recorded, embedded_check())
    assert same.status == "ok"
    swapped = embedded_check()
    _swapped_channels(swapped.scorer)
    (other,) = compare_golden(recorded, swapped)
    assert other.status == "fail"
    declared = embedded_check()
    declared.scorer.channels = "swapped"  # type: ignore[attr-defined]
    (declared_other,) = compare_golden(recorded, declared)
    assert "another scorer" in declared_other.message and declared_other.message.endswith("channels)")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "failed"),
    [
        (_shuffled_labels, ["embedded detector", "embedded colours"]),
        (_shuffled_colours, ["embedded colours"]),
        (_random_weights, ["embedded detector", "embedded colours"]),
    ],
)
def test_faults_of_the_real_networks_are_seen(plant: Callable[[Any], None], failed: list[str]) -> None:
    check = embedded_check()
    plant(check.scorer)
    assert [finding.check for finding in check.check_verdicts() if finding.status == "fail"] == failed


# --- golden files ---


@pytest.fixture
def made(tmp_path: Path) -> golden.Golden:
    golden.write_golden(tmp_path / "new" / "golden.json", [examination(known=False)])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["golden.json"]
    return golden.read_golden(tmp_path / "new" / "golden.json")


def _change(scorer: SquareScorer, **faults: Any) -> None:
    for name, value in faults.items():
        assert hasattr(scorer, name)
        setattr(scorer, name, value)


def test_the_same_scorer_agrees_with_its_golden_file(made: golden.Golden) -> None:
    (finding,) = compare_golden(made, examination())
    assert finding.status == "ok"
    assert finding.message.startswith("12 objects in 12 images as on ")
    assert finding.message.endswith("(scores within 0.02, edges within 2%)")


@pytest.mark.parametrize(
    ("faults", "status", "words"),
    [
        ({"shift": 0.5, "lower": 0.01}, "ok", "12 objects"),
        ({"shift": 2.0}, "fail", "12 of 12 objects and 0 of 12 verdicts"),
        ({"lower": 0.05}, "fail", "red square at 0, 0, 40, 40 with 0.75 for red square at 0, 0, 40, 40 with 0.80"),
        ({"blind": True}, "fail", "nothing for red square at 0, 0, 40, 40 with 0.80 in 'a red square 0'"),
        ({"swapped": True}, "fail", "12 of 12 verdicts"),
    ],
)
def test_a_scorer_that_changed(made: golden.Golden, faults: Any, status: str, words: str) -> None:
    check = examination()
    _change(check.scorer, **faults)  # type: ignore[arg-type]
    (finding,) = compare_golden(made, check)
    assert (finding.status, words in finding.message) == (status, True), finding


def test_one_object_of_many_may_be_rounding(tmp_path: Path) -> None:
    photographs = [Image.new("RGB", (60, 60), "red")] * 30
    golden.write_golden(tmp_path / "golden.json", [ScorerCheck("squares", Squares(), photographs)])
    made = golden.read_golden(tmp_path / "golden.json")
    check = examination()
    score = check.scorer.score

    def another(images: Any, items: Any) -> list[Score]:
        """Another score for the object of one image."""
        scores = score(images, items)
        for image, scored in zip(images, scores, strict=True):
            scored.details["detections"][0]["score"] -= 0.3 * (image.size == (45, 45) and scored.value == 1)
        return scores

    check.scorer.score = another  # type: ignore[method-assign]
    (finding,) = compare_golden(made, check)
    assert finding.status == "warn"
    assert finding.message.startswith("1 of 42 objects and 0 of 42 verdicts are not as on ")
    assert finding.message.endswith(
        "the first, red square at 0, 0, 45, 45 with 0.50 for red square at 0, 0, 45, 45 with 0.80 in 'a red square 5'"
    )


def test_files_of_others(made: golden.Golden) -> None:
    (finding,) = compare_golden(made, examination(weights="another1"))
    assert finding.line().startswith(
        "fail  squares golden: the golden file is of another scorer (square embedded there, square another1 here"
    )
    other = made.model_copy(update={"scorers": {"circles": made.scorers["squares"]}})
    (finding,) = compare_golden(other, examination())
    assert "the golden file is of circles" in finding.message


def test_a_golden_file_that_would_show_nothing(tmp_path: Path) -> None:
    check = examination()
    _change(check.scorer, blind=True)  # type: ignore[arg-type]
    with pytest.raises(EvalHarnessError, match="only 0 objects are found in 12 images"):
        golden.write_golden(tmp_path / "golden.json", [check])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_golden_file(tmp_path: Path, made: golden.Golden) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(ConfigError, match="cannot read the golden file"):
        golden.read_golden(path)
    for text, message in [
        ("{", "is no golden file: invalid JSON"),
        ("{}", "is no golden file: key 'hardware' is missing"),
        (made.model_dump_json().replace('"golden":1', '"golden":2'), "is no golden file: golden: input should be 1"),
    ]:
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            golden.read_golden(path)
    broken = json.loads(made.model_dump_json(by_alias=True))
    for png, message in [("%%%", "cannot be read"), ("aGVsbG8=", "cannot be read: cannot identify image")]:
        broken["scorers"]["squares"]["images"][2]["png"] = png
        path.write_text(json.dumps(broken))
        with pytest.raises(EvalHarnessError, match=message):
            list(compare_golden(golden.read_golden(path), examination()))


def square(score: float, x: float = 0.0, color: str | None = None) -> GoldenObject:
    return GoldenObject.model_validate({"class": "square", "box": (x, 0, x + 50, 50), "score": score, "color": color})


def test_partners() -> None:
    pair = [square(0.8), square(0.5, 30)]
    assert unmatched(pair, pair[::-1], 100) == []
    assert unmatched(pair, [square(0.79, 1), square(0.51, 29)], 100) == []
    assert unmatched(pair, pair[:1], 100) == pair[1:]
    assert unmatched(pair[:1], pair, 100) == []
    assert unmatched([square(0.8), square(0.8)], [square(0.8)], 100) == [square(0.8)], "a partner has one partner"
    assert unmatched([square(0.8, 0, "red")], [square(0.8, 0, "blue")], 100) == [square(0.8, 0, "red")]
    assert unmatched([square(0.11)], [], 100) == [], "its partner may stand just below the floor"
    assert len(unmatched([square(0.13)], [], 100)) == 1


@pytest.mark.slow
def test_a_golden_file_of_the_embedded_networks_sees_their_faults(tmp_path: Path) -> None:
    golden.write_golden(tmp_path / "golden.json", [embedded_check()])
    made = golden.read_golden(tmp_path / "golden.json")
    check = embedded_check()
    assert [finding.status for finding in compare_golden(made, check)] == ["ok"]
    _shuffled_colours(check.scorer)
    assert [finding.status for finding in compare_golden(made, check)] == ["fail"]
    other = embedded_check()
    _shuffled_labels(other.scorer)
    assert [finding.status for finding in compare_golden(made, other)] == ["fail"]


def test_specimens_for_other_networks_have_a_photograph() -> None:
    from evalharness.benchmarks.geneval.benchmark import GenEval

    settings = {"detector": {"name": "mask2former", "weights": "official"}}
    for given in (settings, {"colors": {"weights": "official"}}, {"threshold": 0.4}):
        answers = GenEval(GenEval.Settings.model_validate(given)).known_answers()
        assert {specimen.correct for specimen in answers} == {None}
        assert answers[-1].image.size == (512, 600)
        assert random.choice(answers).image.mode == "RGB"
    answers = GenEval(GenEval.Settings.model_validate({"detector": "mask2former", "device": "cpu"})).known_answers()
    assert [specimen.correct for specimen in answers] == [True, False] * 12 + [None] * 6
