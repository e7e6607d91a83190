"""How often refinement fired, and which verdicts it changed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import IN_PROCESS, SWEEP, run_without_report
from report_samples import sample_results
from runs import run

from evalharness.analysis import Refinements, analyse
from evalharness.report import claims
from evalharness.report.summary import summarize

SETTINGS = {
    "process": {"inspect": True, "refine": True},
    "no-refine": {"inspect": True, "refine": False},
    "no-inspect": {"inspect": False, "refine": True},
}


def test_fired_and_changed_by_hand() -> None:
    scores = {
        "process": [[1, 0], [0.5, 1], [1, math.nan], [0, 1]],
        "no-refine": [[0, 1], [0, 1], [1, 1], [1, 1]],
        "no-inspect": [[1, 1], [1, 1], [1, 1], [1, 1]],
    }
    fired = {"process": [[1, 2], [1, 3], [0, 1], [0, 0]], "no-inspect": [[1, 1]] * 4}
    found = analyse(run(scores, settings=SETTINGS, refinements=fired))["toy"].refinements
    assert found == (
        Refinements("process", 8, 5, 8, without="no-refine", compared=4, fixed=1, broken=1, changed=3),
        Refinements("no-inspect", 8, 8, 8),
    )


@pytest.mark.parametrize(
    ("fired", "with_refinement", "sentence"),
    [
        (0, 1, "refinement fired in 0 of 8 samples of process and changed no verdict"),
        (1, 1, "refinement fired in 1 of 8 samples of process and changed no verdict"),
        (2, 0, "refinement fired in 1 of 8 samples of process and changed 1 verdict: 0 fixed, 1 broken"),
        (2, math.nan, "refinement fired in 1 of 8 samples of process, which do not have scores in both arms yet"),
    ],
)
@pytest.mark.parametrize("arms", [["process", "no-refine"], ["other", "process", "no-refine"]])
def test_the_first_screen_says_so(fired: int, with_refinement: float, sentence: str, arms: list[str]) -> None:
    """In the claim about the two arms, or in one of its own if both are compared with a third."""
    scores = {"process": [[with_refinement, 1]] + [[1, 0]] * 3, "no-refine": [[1, 1]] + [[1, 0]] * 3}
    scores["other"] = [[0, 0], [1, 1]] * 2
    settings = SETTINGS | {"other": {"inspect": False, "refine": True}}
    fires = {"process": [[fired, 0]] + [[0, 0]] * 3}
    results = run({arm: scores[arm] for arm in arms}, settings=settings, refinements=fires)
    texts = claims.claims(results, summarize(results)[0])
    said = [claim for claim in texts if "refinement" in str(claim)]
    assert len(said) == 1
    assert sentence in str(said[0])
    assert sentence in said[0].brief, "what stands before the evidence is unfolded"
    assert said == texts[-1:]
    assert not any("pairs differ" in str(claim) for claim in said), "the same in other numbers"


def test_arms_without_a_counterpart_are_counted_in_the_data_alone(tmp_path: Path) -> None:
    results = sample_results(tmp_path, prompts=24, missing=False)
    summary = summarize(results)[0]
    assert [row.arm for row in summary.analysis.refinements] == [f"process max_iterations={cap}" for cap in range(1, 7)]
    assert all(0 < row.refined <= row.samples == 24 <= row.refinements for row in summary.analysis.refinements[1:])
    assert not any("refinement" in str(claim) for claim in claims.claims(results, summary))


def test_a_run_counts_them_in_its_trajectories(sweep_file: Any, tmp_path: Path) -> None:
    text = SWEEP.replace("max_iterations: 1..3}", "max_iterations: 2, inspect: false, refine: [true, false]}")
    with run_without_report(sweep_file(text + IN_PROCESS), tmp_path / "r" / "x") as results:
        data = results.data
        (counted,) = analyse(data)["mock"].refinements
        steps = [
            [step["kind"] for step in data.steps(row["trajectory"])]
            for row in data.samples.to_dict("records")
            if row["arm"] == counted.arm
        ]
        settings = {row["arm"]: json.loads(row["settings"]) for row in data.arms.to_dict("records")}
    assert settings[counted.arm]["refine"]
    assert not settings[counted.without]["refine"]
    assert counted.samples == len(steps) == 6
    assert counted.refinements == sum(kinds.count("refine") for kinds in steps) > 0
    assert counted.refined == sum("refine" in kinds for kinds in steps)
