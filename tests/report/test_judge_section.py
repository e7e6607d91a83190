"""The judge's own section: numbers worked out by hand from a small run, and how the page says them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evalharness.report import build
from evalharness.report.judge_section import Judging, answered_text, judging, other_models
from evalharness.report.summary import summarize
from evalharness.store.results import ARM_COLUMNS, CHECK_COLUMNS, SAMPLE_COLUMNS, Results

WEIGHTS = {"culture": 0.75, "time": 0.25}
JUDGE = {"protocol": "x 1", "judge": {"name": "first"}, "rubric": {"name": "own rubric", "digest": "a" * 64}}
SECOND = JUDGE | {"judge": {"name": "second"}}


def run(
    *, scores: list[float], repeats: list[list[float]], second: list[float], full_counts: dict[str, int] | None = None
) -> Results:
    """Items 0, 1, …: the first half is culture. NaN: not scored, or no reply."""
    half = len(scores) // 2
    samples, checks = [], []
    for item, score in enumerate(scores):
        scored = not math.isnan(score)
        base: dict[str, Any] = dict.fromkeys(SAMPLE_COLUMNS)
        base |= {"benchmark": "wise", "arm": "a", "item": str(item), "category": "culture" if item < half else "time"}
        base |= {"prompt": f"p{item}", "seed_index": 0, "seed": 1, "reason": "", "image": None}
        base |= {"iterations": 0, "evaluations": 1, "tokens": 0, "seconds": 0.1}
        samples.append(base | {"state": "scored" if scored else "failed", "score": score})
        judgements = [(f"repeat {n + 1}", "repeat", value) for n, value in enumerate(repeats[item])]
        judgements.append(("second judge", "second", second[item]))
        for name, kind, other in judgements:
            sample = {key: base[key] for key in ("benchmark", "arm", "item", "category", "seed_index", "image")}
            state = "failed" if math.isnan(other) else "scored"
            if scored:
                checks.append(sample | {"check": name, "kind": kind, "score": score, "other": other, "state": state})
    about = {
        "version": "1",
        "title": "wise (own rubric)",
        "notes": ["not a score of <b>WISE</b>"],
        "prompt_set": "original",
        "prompt_digest": "c" * 64,
        "scorer": JUDGE,
        "weights": WEIGHTS,
        "items": len(scores),
        "samples": 1,
        "checks": [{"name": "second judge", "kind": "second", "scorer": SECOND, "items": len(scores)}],
        "spent": {"replies": 12345, "prompt_tokens": 1_000_000, "completion_tokens": 12345, "cost": 7.5},
    }
    about |= {"whole": full_counts} if full_counts else {}
    info = {"name": "x", "seed": 0, "sweep": {}, "benchmarks": {"wise": about}, "models": {}}
    arms = pd.DataFrame([("a", "m", "single_pass", None, "{}", True)], columns=list(ARM_COLUMNS))
    frames = pd.DataFrame(samples, columns=list(SAMPLE_COLUMNS)), pd.DataFrame(checks, columns=list(CHECK_COLUMNS))
    return Results(
        info, arms.astype({"max_iterations": "Int64"}), frames[0], lambda key: [], lambda key: {}, Path, frames[1]
    )


def judged(results: Results) -> Judging:
    section = judging(results, summarize(results)[0])
    assert section is not None
    return section


NAN = math.nan
STEADY = {"scores": [1, 1, 0, 0, 1, 1, 0, 1], "repeats": [[]] * 8, "second": [1, 1, 0, 0, 1, 0, 1, 0]}
MOODY = {"scores": [1, 1, 0, 0, 1, 1, 0, 1], "repeats": [[0], [1], [0], [], [1], [0], [NAN], []], "second": [NAN] * 8}


def test_the_variance_of_the_judge_by_hand() -> None:
    """Culture: 1 of 3 pairs differ (variance ½ each), so σ² = 1/6 over 4 images; time: 1 of 2, so σ² = 1/4 over 4."""
    results = run(**MOODY)  # type: ignore[arg-type]
    repeats = judged(results).repeats
    assert repeats is not None
    assert (repeats.times, repeats.samples, repeats.items, repeats.missing) == (2, 6, 6, 1)
    assert repeats.flips.value == pytest.approx(2 / 5)
    (effect,) = repeats.effects
    variance = 0.75**2 * (1 / 6) / 4 + 0.25**2 * (1 / 4) / 4
    assert effect.moves == pytest.approx(1.96 * math.sqrt(variance))
    row = summarize(results)[0].wide.iloc[0]
    half = (row["overall_high"] - row["overall_low"]) / 2
    assert effect.half == pytest.approx(half)
    assert effect.share == pytest.approx(variance / (half / 1.96) ** 2)


def test_without_an_overall_score_nothing_is_said_of_it() -> None:
    repeats = judged(run(**MOODY, full_counts={"culture": 40, "time": 40})).repeats  # type: ignore[arg-type]
    assert repeats is not None
    (effect,) = repeats.effects
    assert effect.flips.value == pytest.approx(2 / 5)
    assert all(math.isnan(value) for value in (effect.moves, effect.half, effect.share))


def test_two_judges_by_hand() -> None:
    (second,) = judged(run(**STEADY)).seconds  # type: ignore[arg-type]
    assert second.parts == "time"
    assert (second.both.samples, second.missing) == (8, 0)
    assert second.both.same.value == 5 / 8
    assert second.categories["culture"].kappa.value == 1
    assert second.categories["time"].same.value == 1 / 4
    assert second.arms == [("a", 0.75 * 0.5 + 0.25 * 0.75, 0.75 * 0.5 + 0.25 * 0.5)]
    assert second.scorer.startswith("second own rubric ")


def test_a_second_judge_that_said_nothing_is_left_out() -> None:
    assert judged(run(**MOODY)).seconds == []  # type: ignore[arg-type]
    assert judged(run(**STEADY)).repeats is None  # type: ignore[arg-type]


def test_the_page_and_its_numbers(tmp_path: Path) -> None:
    build(run(**(MOODY | {"second": STEADY["second"]})), tmp_path)  # type: ignore[arg-type]
    page = (tmp_path / "index.html").read_text()
    assert "12,345 replies about these images: 1,000,000 tokens read, 12,345 written, $7.50." in page
    assert "Asked 2 times about the same image." in page
    assert "Two replies differ in 40.0 [" in page
    assert "They disagree most on time." in page
    assert "wise (own rubric): not a score of &lt;b&gt;WISE&lt;/b&gt;" in page
    numbers = json.loads((tmp_path / "results.json").read_text())["judging"]["wise"]
    assert numbers["repeats"]["flips"]["value"] == pytest.approx(0.4)
    assert numbers["seconds"][0]["both"]["samples"] == 8


ANSWERED = {"asked": "big", "replies": 5, "answered_by": {"org/Big": 3, "big-awq": 2}, "outcomes": {"answered": 5}}


def test_who_answered_in_words() -> None:
    assert answered_text(ANSWERED) == "big was asked; answered by org/Big (3), big-awq (2)."
    assert other_models(ANSWERED) == "the judge that was asked for is big, but big-awq (2 of 5 replies) answered."
    outcomes = {"answered": 3, "cut": 1, "refused": 1200, "filtered": 2, "empty": 4}
    unnamed = ANSWERED | {"answered_by": {}, "outcomes": outcomes}
    assert answered_text(unnamed) == (
        "Replies of big without a whole answer: 1 cut off by their length limit, 1,200 refusals, "
        "2 stopped by a content filter, 4 empty beside thoughts."
    )
    assert other_models(unnamed) is None
    assert answered_text(ANSWERED | {"answered_by": {}}) == ""


def test_coverage_by_category(tmp_path: Path) -> None:
    spoiled = STEADY | {"scores": [1, NAN, 0, 0, 1, 1, 0, 1]}
    results = run(**spoiled, full_counts={"culture": 4, "time": 6})  # type: ignore[arg-type]
    (table,) = summarize(results)
    row = table.wide.iloc[0]
    assert (row["coverage"], row["category.culture.scored"], row["category.culture.expected"]) == ("7/10", 3, 4)
    assert (row["category.time.scored"], row["category.time.expected"]) == (4, 6)
    assert (row["bound_low"], row["bound_high"]) == pytest.approx(
        (0.75 * 1 / 4 + 0.25 * 3 / 6, 0.75 * 2 / 4 + 0.25 * 5 / 6)
    )
    long = table.long.set_index("quantity")
    assert (long.loc["category.time", "scored"], long.loc["category.time", "expected"]) == (4, 6)
    assert (long.loc["overall", "scored"], long.loc["overall", "expected"]) == (7, 10)
    assert "(3/4 scored)" in table.shown.iloc[0]["culture"]
    build(results, tmp_path)
    assert "3/4 scored" in (tmp_path / "index.html").read_text()
