"""The figures of what the loop does: which arms and rows they show, and what they say where there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalharness.analysis.examples.loop import ArmLoop, LoopCounts, Part
from evalharness.report.figures.loop_plots import MAX_ARMS, MAX_ITERATIONS, loop_plots
from evalharness.report.figures.style import save

COUNTS = LoopCounts(
    inspections=8, named=4, judged=8, wrong=3, named_judged=4, named_wrong=3, refinements=4, fixed=2, broke=1,
    unchanged=1, right_before=5, right_after=4,
)  # fmt: skip


def loop(arm: str = "process", iterations: int = 2, counts: LoopCounts = COUNTS) -> ArmLoop:
    parts: list[Part] = [None, *range(1, iterations + 1), "single_object"]
    return ArmLoop("toy", arm, 10, {part: {"one": counts, "two": counts} for part in parts}, judged=6)


def svg(arm: ArmLoop, folder: Path) -> str:
    (plot,) = loop_plots([arm], "Toy")
    stem = save(plot, "toy", folder).stem
    return (folder / f"{stem}.svg").read_text()


def test_rows_are_all_then_iterations_then_categories(tmp_path: Path) -> None:
    text = svg(loop(), tmp_path)
    places = [text.index(f">{name}</text>") for name in ("all", "iteration 1", "iteration 2", "single object")]
    assert places == sorted(places)
    assert all(f">{name}</text>" in text for name in ("conflict named", "fixed", "broken", "verdict unchanged"))


def test_an_arm_that_never_refined_says_so(tmp_path: Path) -> None:
    text = svg(loop(counts=LoopCounts(inspections=3, judged=3, wrong=1)), tmp_path)
    assert "no refinement with verdicts" in text
    assert ">conflict named</text>" in text
    assert ">precision: named, and wrong</text>" not in text  # nothing was named, so there is no precision


def test_the_description_has_the_numbers() -> None:
    (plot,) = loop_plots([loop()], "Toy")
    assert "conflict named 50.0 [" in plot.alt
    assert "precision: named, and wrong 75.0 [" in plot.alt
    assert "recall: wrong, and named 100.0 [" in plot.alt
    assert plot.alt.endswith("of 8 refinements with verdicts 4 fixed, 2 broken, 2 unchanged")


@pytest.mark.parametrize("iterations", [MAX_ITERATIONS, MAX_ITERATIONS + 5])
def test_many_iterations_are_cut_and_the_caption_says_so(iterations: int) -> None:
    (plot,) = loop_plots([loop(iterations=iterations)], "Toy")
    assert ("The first 12 of" in plot.caption) == (iterations > MAX_ITERATIONS)


def test_many_arms_are_cut_and_the_first_caption_says_so() -> None:
    plots = list(loop_plots([loop(f"arm {number}") for number in range(MAX_ARMS + 2)], "Toy"))
    assert len({plot.kind for plot in plots}) == MAX_ARMS
    assert [f"{MAX_ARMS} of {MAX_ARMS + 2} arms" in plot.caption for plot in plots] == [True] + [False] * (MAX_ARMS - 1)
