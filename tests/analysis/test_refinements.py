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
        (0, 1, "process refined 0 of 8 samples, so refinement changed no verdict"),
        (1, 1, "process refined 1 of 8 samples, 1 refinement in all, which changed no verdict: no-refine has"),
        (2, 0, "1 of 8 samples, 2 refinements in all, which changed 1 score against no-refine: 0 fixed, 1 broken"),
        (2, 0.5, "which changed 1 score against no-refine: 0 fixed, 1 broken"),
        (2, math.nan, "2 refinements in all, in samples that do not have scores in both arms yet"),
    ],
)  # fmt: skip
def test_the_first_screen_says_so(fired: int, with_refinement: float, sentence: str) -> None:
    scores = {"process": [[with_refinement, 1]] + [[1, 0]] * 3, "no-refine": [[1, 1]] + [[1, 0]] * 3}
    results = run(scores, settings=SETTINGS, refinements={"process": [[fired, 0]] + [[0, 0]] * 3})
    texts = [str(claim) for claim in claims.claims(results, summarize(results)[0])]
    assert sentence in texts[-1]
    assert not any("pairs differ" in text for text in texts), "the same in other numbers"


def test_arms_without_a_counterpart_are_counted_in_the_data_alone(tmp_path: Path) -> None:
    results = sample_results(tmp_path, prompts=24, missing=False)
    summary = summarize(results)[0]
    assert [row.arm for row in summary.analysis.refinements] == [f"process max_iterations={cap}" for cap in range(1, 7)]
    assert all(0 < row.refined <= row.samples == 24 <= row.refinements for row in summary.analysis.refinements[1:])
    assert not any("refined" in str(claim) for claim in claims.claims(results, summary))


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
