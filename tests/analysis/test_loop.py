"""What the loop does, counted by hand."""

from __future__ import annotations

import math
from typing import Any

from evalharness.analysis.examples.loop import ArmLoop, LoopCounts, count_steps
from evalharness.store.results import Judged

RIGHT, WRONG = Judged(1.0), Judged(0.0)


def step(kind: str, iteration: int, image: str | None = None, tokens: int = 0, evaluations: int = 0) -> dict[str, Any]:
    return {"kind": kind, "iteration": iteration, "image": image, "tokens": tokens, "evaluations": evaluations}


STEPS = [
    step("plan", 1, tokens=9),
    step("sketch", 1, "a", evaluations=8),
    step("inspect", 1, tokens=2),
    step("refine", 1, "b", tokens=3, evaluations=8),
    step("plan", 2, tokens=9),
    step("sketch", 2, "c", evaluations=8),
    step("inspect", 2, tokens=2),
    step("plan", 3, tokens=9),
    step("sketch", 3, "d", evaluations=8),
    step("inspect", 3, tokens=2),
    step("refine", 3, "e", tokens=3, evaluations=8),
]


def test_each_iteration_is_counted_by_the_verdicts_on_its_states() -> None:
    counts = count_steps(STEPS, {"a": WRONG, "b": RIGHT, "c": WRONG, "d": RIGHT, "e": WRONG})
    assert counts[1] == LoopCounts(
        inspections=1, named=1, judged=1, wrong=1, named_judged=1, named_wrong=1, refinements=1, fixed=1, tokens=5,
        evaluations=8,
    )  # fmt: skip
    assert counts[2] == LoopCounts(inspections=1, judged=1, wrong=1, right_before=1, tokens=2)
    assert counts[3] == LoopCounts(
        inspections=1,
        named=1,
        judged=1,
        named_judged=1,
        refinements=1,
        broke=1,
        right_before=1,
        tokens=5,
        evaluations=8,
    )


def test_a_state_without_a_verdict_counts_in_no_share() -> None:
    counts = count_steps(STEPS, {"a": WRONG, "e": RIGHT})
    assert (counts[1].judged, counts[1].refinements) == (1, 1)
    assert counts[1].fixed == counts[1].broke == counts[1].unchanged == counts[1].right_before == 0
    assert (counts[3].judged, counts[3].named, counts[3].named_judged) == (0, 1, 0)


def test_a_refinement_of_another_iteration_names_no_conflict() -> None:
    steps = [step("sketch", 1, "a"), step("inspect", 1), step("sketch", 2, "b"), step("refine", 2, "c")]
    assert count_steps(steps, {})[1].named == 0


def test_an_inspection_of_nothing_is_none() -> None:
    assert count_steps([step("inspect", 1)], {})[1].inspections == 0


def test_shares_are_of_the_counts_and_their_intervals_over_prompts() -> None:
    alike = {f"p{n}": LoopCounts(inspections=4, named=4 * (n % 2)) for n in range(20)}
    mixed = {f"p{n}": LoopCounts(inspections=4, named=(1, 2, 3, 2)[n % 4]) for n in range(20)}
    loop = ArmLoop("toy", "process", 80, {None: alike, 1: mixed})
    assert loop.share("named").value == loop.share("named", 1).value == 0.5
    assert (loop.share("named").prompts, loop.share("named").samples) == (20, 80)
    widths = [share.high - share.low for share in (loop.share("named"), loop.share("named", 1))]
    assert widths[0] > 1.5 * widths[1]  # images of a prompt that are alike say less
    assert math.isnan(loop.share("precision").value)
    assert loop.total().inspections == 80
