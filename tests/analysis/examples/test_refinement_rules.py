"""Which example each rule chooses, on trajectories made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evalharness.analysis.examples import search
from evalharness.analysis.examples.rules import Case, refinements
from evalharness.analysis.examples.search import ChosenExamples, choose, from_samples
from evalharness.store.results import ARM_COLUMNS, SAMPLE_COLUMNS, Judged, Results

PLAN = "<ins> add a red cat </ins> <des> a red cat </des>"
SKETCHED = "<inspect> a dog should be a red cat </inspect>"
PLANNED = "<inspect> a red cat should be a dog </inspect>"
RIGHT, WRONG = Judged(1.0), Judged(0.0)


def steps(*rounds: tuple[str, str, str | None]) -> list[dict[str, Any]]:
    """Each round: its inspection, the sketch, and the refined picture or ``None``."""
    made: list[dict[str, Any]] = []
    for iteration, (inspection, sketch, refined) in enumerate(rounds, 1):
        texts: list[tuple[str, str, str | None]] = [
            ("plan", PLAN, None),
            ("sketch", "", sketch),
            ("inspect", inspection, None),
        ]
        texts += [("refine", "<refine> Change the dog into a red cat </refine>", refined)] if refined else []
        made += [{"kind": kind, "iteration": iteration, "text": text, "image": image} for kind, text, image in texts]
    return made


def run(
    trajectories: Mapping[tuple[str, int], list[dict[str, Any]]],
    judged: Mapping[str, Judged] | None = None,
    *,
    arms: Sequence[tuple[str, str, int | None, dict[str, Any]]] = (("process", "process", 6, {}),),
    finals: Mapping[str, float] | None = None,
) -> Results:
    """``trajectories``: by item and seed; ``judged``: by image, ``None`` if only final images are."""
    rows = []
    for arm, variant, cap, _ in arms:
        for (item, seed), trajectory in trajectories.items() if variant == "process" else ():
            seen = [step for step in trajectory if cap is None or step["iteration"] <= cap]
            image = next((step["image"] for step in reversed(seen) if step["image"]), None)
            score = (finals or {}).get(str(image), 0.0)
            rows.append(
                dict.fromkeys(SAMPLE_COLUMNS, 0)
                | {"benchmark": "toy", "arm": arm, "item": item, "category": "cats", "prompt": f"a {item}"}
                | {"seed_index": seed, "state": "scored", "score": score, "reason": "", "image": image}
                | {"trajectory": f"{item}/{seed}", "score_key": f"key {image}"}
            )
    made = [("m", *arm) for arm in arms]
    frame = pd.DataFrame(
        [
            (name, model, variant, cap, json.dumps(more), not place)
            for place, (model, name, variant, cap, more) in enumerate(made)
        ],
        columns=list(ARM_COLUMNS),
    ).astype({"max_iterations": "Int64"})
    lookup = None
    if judged is not None:
        judgements = dict(judged)
        lookup = lambda benchmark, item, images: {image: judgements[image] for image in images if image in judgements}  # noqa: E731
    info = {"name": "toy", "benchmarks": {"toy": {}}}
    samples = pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))
    return Results(
        info,
        frame,
        samples,
        lambda key: trajectories[(key.rpartition("/")[0], int(key.rpartition("/")[2]))],
        lambda key: {},
        Path,
        judged=lookup,
    )


def only(results: Results) -> ChosenExamples:
    (chosen,) = choose(results)
    return chosen


def places(chosen: ChosenExamples) -> dict[str, tuple[str, int, int] | None]:
    """Rule → item, seed index and iteration of its example."""
    return {
        rule.name: None
        if example is None
        else (example.sample.row["item"], example.sample.row["seed_index"], example.case.refinement.iteration)
        for rule, example in chosen.examples
    }


def test_a_refinement_has_the_picture_before_it_and_the_words_around_it() -> None:
    trajectory = steps((SKETCHED, "a", "b"), ("<inspect> ok </inspect>", "c", None), (PLANNED, "d", "e"))
    read = list(refinements(trajectory))
    assert [
        (refinement.iteration, refinement.before, refinement.after, refinement.conflict) for refinement in read
    ] == [
        (1, "a", "b", "instruction-state"),
        (3, "d", "e", "state-prompt"),
    ]
    assert [trajectory[refinement.step]["image"] for refinement in read] == ["b", "e"]
    assert list(refinements([{"kind": "refine", "iteration": 1, "text": "", "image": "x"}])) == []
    # The inspection of an earlier plan is none of a later one's.
    trajectory = [*steps((SKETCHED, "a", None)), *({**step, "iteration": 2} for step in steps(("", "b", "c")))]
    del trajectory[5]
    (refinement,) = refinements(trajectory)
    assert refinement.conflict == "instruction-state"  # told by its correction alone


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (WRONG, RIGHT, "fixed"),
        (Judged(0.9), RIGHT, "fixed"),
        (RIGHT, Judged(0.9), "broke"),
        (RIGHT, RIGHT, "neither"),
        (WRONG, Judged(0.5), "neither"),
        (None, RIGHT, "neither"),
        (RIGHT, None, "neither"),
    ],
)
def test_effects(before: Judged | None, after: Judged | None, effect: str) -> None:
    (refinement,) = refinements(steps((SKETCHED, "a", "b")))
    assert Case(refinement, before, after, final=True).effect == effect


def test_the_first_of_each_rule_in_the_order_of_items_then_seeds_then_iterations() -> None:
    judged = {"w": WRONG, "r": RIGHT, "w2": WRONG, "r2": RIGHT}
    trajectories = {
        # Out of order in the table on purpose: seed 1 of the first item comes before its seed 0.
        ("b", 1): steps((SKETCHED, "w", "r"), (PLANNED, "w", "r")),
        ("b", 0): steps((PLANNED, "w", "w2"), (SKETCHED, "r", "r2"), (PLANNED, "w", "r")),
        ("a", 0): steps((SKETCHED, "w", "r"), (SKETCHED, "r", "w")),
        ("a", 1): steps((PLANNED, "w", "r"), (PLANNED, "r", "w")),
    }
    chosen = only(run(trajectories, judged))
    assert places(chosen) == {
        "fixed-instruction-state": ("b", 1, 1),
        "fixed-state-prompt": ("b", 0, 3),
        "broke": ("a", 0, 2),
    }
    assert {rule.name: example.number for rule, example in chosen.examples if example} == {
        "fixed-instruction-state": 4,
        "fixed-state-prompt": 3,
        "broke": 7,
    }
    assert (chosen.samples, chosen.refinements, chosen.judged, chosen.exhaustive) == (3, 7, 7, False)


def test_what_is_not_found_is_none_and_all_was_looked_at() -> None:
    chosen = only(
        run({("a", 0): steps((SKETCHED, "w", "r")), ("b", 0): steps(("", "x", None))}, {"w": WRONG, "r": RIGHT})
    )
    assert places(chosen) == {"fixed-instruction-state": ("a", 0, 1), "fixed-state-prompt": None, "broke": None}
    assert (chosen.samples, chosen.refinements, chosen.exhaustive) == (2, 1, True)
    assert places(only(run({("a", 0): steps(("", "x", None))}, {}))) == {
        "fixed-instruction-state": None,
        "fixed-state-prompt": None,
        "broke": None,
    }


def test_a_cap_hides_what_comes_after_it() -> None:
    trajectories = {("a", 0): steps(("", "x", None), (SKETCHED, "w", "r"))}
    judged = {"w": WRONG, "r": RIGHT}
    assert (
        places(only(run(trajectories, judged, arms=[("short", "process", 1, {})])))["fixed-instruction-state"] is None
    )
    both = run(
        trajectories, judged, arms=[("p max_iterations=2", "process", 2, {}), ("p max_iterations=1", "process", 1, {})]
    )
    chosen = only(both)  # one family: the highest cap stands for it
    assert (chosen.arm, places(chosen)["fixed-instruction-state"]) == ("p max_iterations=2", ("a", 0, 2))


def test_only_process_arms_and_each_kind_of_them_are_looked_at() -> None:
    arms = [
        ("single", "single_pass", None, {}),
        ("p", "process", 6, {"inspect": True}),
        ("blind", "process", 6, {"inspect": False}),
    ]
    assert [chosen.arm for chosen in choose(run({("a", 0): steps((SKETCHED, "w", "r"))}, {}, arms=arms))] == [
        "p",
        "blind",
    ]
    assert choose(run({}, {}, arms=arms[:1])) == []


def test_other_words_have_a_rule_of_their_own() -> None:
    trajectories = {("a", 0): steps(("The dog looks odd.", "w", "r"))}
    trajectories["a", 0] = [{**step, "text": step["text"].replace("<des>", "")} for step in trajectories["a", 0]]
    chosen = only(run(trajectories, {"w": WRONG, "r": RIGHT}))
    assert places(chosen) == {"fixed": ("a", 0, 1), "broke": None}


def test_where_a_rule_has_no_example_the_words_and_the_end_are_all_there_is() -> None:
    trajectories = {
        ("a", 0): steps((SKETCHED, "a", "b")),  # ends wrong
        ("b", 0): steps((SKETCHED, "c", "d"), ("", "e", None)),
        ("c", 0): steps((PLANNED, "right", "g"), ("", "e", None)),  # there was nothing wrong
        ("d", 0): steps((PLANNED, "w", "w2"), ("", "e", None)),  # more was still to come
    }
    judged = {"e": RIGHT, "right": RIGHT, "w": WRONG, "w2": WRONG}
    chosen = only(run(trajectories, judged, finals={"e": 1.0}))
    assert places(chosen) == {
        "fixed-instruction-state": None,
        "claimed-instruction-state": ("b", 0, 1),
        "fixed-state-prompt": None,
        "claimed-state-prompt": ("d", 0, 1),
        "broke": None,
    }
    assert chosen.judged == 1
    trajectories["e", 0] = steps((SKETCHED, "w", "right"), ("", "e", None))
    assert "claimed-instruction-state" not in places(only(run(trajectories, judged, finals={"e": 1.0})))
    strange = {("a", 0): [{**step, "text": ""} for step in steps(("", "c", "d"), ("", "e", None))]}
    assert places(only(run(strange, judged, finals={"e": 1.0}))) == {
        "fixed": None,
        "claimed": ("a", 0, 1),
        "broke": None,
    }


def test_final_images_are_all_that_an_old_store_knows() -> None:
    """A sweep over the cap judges the state after each iteration, so of two in a row a refinement may have both."""
    trajectories = {("a", 0): [*steps(("", "w", None)), {"kind": "refine", "iteration": 2, "text": "", "image": "r"}]}
    arms = [(f"p max_iterations={cap}", "process", cap, {}) for cap in (1, 2)]
    results = run(trajectories, None, arms=arms, finals={"r": 1.0})
    lookup = from_samples(results.samples)
    assert lookup("toy", "a", ["w", "r", "x"]) == {"w": Judged(0.0, "", "key w"), "r": Judged(1.0, "", "key r")}
    assert lookup("toy", "b", ["w"]) == {}
    assert places(only(results)) == {"fixed": ("a", 0, 2), "broke": None}


def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectories = {(f"{number}", 0): steps((SKETCHED, "r", "r2"), (SKETCHED, "r", "r2")) for number in range(6)}
    monkeypatch.setattr(search, "MAX_REFINEMENTS", 5)
    chosen = only(run(trajectories, {"r": RIGHT, "r2": RIGHT}))
    assert (chosen.samples, chosen.refinements, chosen.exhaustive) == (3, 5, False)
    monkeypatch.setattr(search, "MAX_SAMPLES", 2)
    chosen = only(run(trajectories, {"r": RIGHT, "r2": RIGHT}))
    assert (chosen.samples, chosen.refinements, chosen.exhaustive) == (2, 4, False)
