"""What a report says of runs that are not finished: no number that does not exist, and nothing that is still open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import random_scores, run

from evalharness.analysis import analyse, gates
from evalharness.analysis.comparison import compare
from evalharness.report import claims, overview, page_tables, replicates, results_json
from evalharness.report.cells import PageTable
from evalharness.report.comparison_tables import comparison_claims, contrasts_table
from evalharness.report.summary import Summary, summarize
from evalharness.report.table_files import markdown_table
from evalharness.store.results import Results

COURSE = ["y n=1", "y n=2", "y n=4"]
TRAININGS = {"A": ["a 1", "a 2", "a 3"], "B": ["b 1", "b 2", "b 3"]}
ARMS = ["x", *COURSE, *TRAININGS["A"], *TRAININGS["B"]]
SAID = {"trend": [{"arms": COURSE, "over": "n"}], "replicates": TRAININGS}
CONCLUSION = re.compile(r"rises|falls|above|below|more than training noise")
NONE = re.compile(r"\bnan\b")


def declared(scores: dict[str, Any]) -> Results:
    return run(scores, settings={arm: {"n": int(arm[-1])} for arm in COURSE if arm in scores}, analysis=SAID)


def missing(arm: str, *, items: int = 40, of: int | None = None) -> Results:
    """A run in which the first prompts of an arm, by default all, have no score."""
    scores = random_scores(ARMS, items=items, images=2)
    scores[arm][:of] = np.nan
    return declared(scores)


def texts(results: Results, summary: Summary) -> Iterator[str]:
    """Whatever a page, its tables and its Markdown say of the analysis."""
    for claim in claims.claims(results, summary):
        yield from (str(claim), claim.brief)
    yield from overview.warnings(results, summary)
    yield markdown_table(replicates.contrasts_frame(summary.analysis))
    tables = [replicates.noise_table(summary), replicates.contrasts_table(summary), page_tables.comparisons(summary)]
    for table in (*tables, page_tables.sensitivity(summary)):
        yield from () if table is None else _words(table)


def _words(table: PageTable) -> Iterator[str]:
    yield table.caption
    for row in table.rows:
        yield from (f"{cell.text} {cell.note}" for cell in row.cells)


@pytest.mark.parametrize("seed", range(6))
def test_a_half_finished_run_has_no_conclusion(seed: int, tmp_path: Path) -> None:
    """At least half of each arm is missing, so that any difference could be turned."""
    generator = np.random.default_rng(seed)
    leads = generator.choice([0.0, 0.5, 1.0], len(ARMS))
    scores: dict[str, Any] = {}
    for arm, lead in zip(ARMS, leads, strict=True):
        values = (generator.random((24, 2)) < lead).astype(float)
        values[generator.permutation(24)[: generator.choice([12, 12, 18, 23, 24])]] = np.nan
        scores[arm] = values
    results = declared(scores)
    (summary,) = summarize(results)
    said = claims.claims(results, summary)
    assert not any(claim.told_apart or CONCLUSION.search(claim.relation) for claim in said)
    assert not any(NONE.search(text) for text in texts(results, summary))
    results_json.write_results(results, [summary], tmp_path, claims={"toy": said})
    assert not NONE.search((tmp_path / "results.json").read_text().lower())


@pytest.mark.parametrize(("first", "told_apart"), [(3, True), (30, False)])
def test_what_is_missing_is_told_apart_from_noise(first: int, told_apart: bool) -> None:
    """Both differences are large and certain on what is scored; samples are missing, few of 60 prompts or half."""
    generator = np.random.default_rng(1)
    base = generator.random((60, 2))
    levels = {"x": 0.5} | {arm: 0.35 + 0.08 * int(arm[-1]) for arm in COURSE}
    scores: dict[str, Any] = {arm: (base < level).astype(float) for arm, level in levels.items()}
    for level, name in ((0.5, "A"), (0.75, "B")):
        for arm in TRAININGS[name]:
            scores[arm] = (base + 0.02 * generator.standard_normal((60, 2)) < level).astype(float)
    for arm in (COURSE[-1], *TRAININGS["B"]):
        scores[arm][:first] = np.nan
    results = declared(scores)
    (summary,) = summarize(results)
    (contrast,), (trend,) = summary.analysis.replicate_contrasts, summary.analysis.trends
    assert contrast.difference.excludes_zero and contrast.p_adjusted <= 0.05
    assert trend.total.excludes_zero and trend.p_adjusted <= 0.05
    assert {contrast.distinction, trend.distinction} == {"apart" if told_apart else "open"}
    said = {claim.arm: claim for claim in claims.claims(results, summary)}
    relations = {"B": "cannot yet be told apart from", "the overall score": "cannot yet be said to rise or fall as"}
    for name, relation in relations.items():
        claim = said[name]
        assert claim.told_apart == told_apart
        assert claim.relation.startswith(relation) != told_apart
        assert ("so its sign is open" in claim.evidence) != told_apart
        assert ("with what is missing" in claim.brief) != told_apart
        assert claim.evidence.endswith(" incomplete")
    row = replicates.contrasts_frame(summary.analysis).iloc[0]
    assert row["verdict"].startswith("more than training noise" if told_apart else "open: samples are missing; with")


def test_a_trend_without_scores_or_prompts_is_none() -> None:
    results = missing("y n=2")
    (trend,) = analyse(results)["toy"].trends
    assert (trend.state, trend.distinction) == ("none", "unknown")
    assert np.isnan(trend.plateau)
    (summary,) = summarize(results)
    assert [str(claim) for claim in claims.claims(results, summary) if claim.arm == "the overall score"] == [
        "the overall score cannot yet be compared as n goes from 1 to 4, too few samples are scored in all 3 arms; "
        "y n=2 is incomplete"
    ]
    results = declared({arm: [[float(arm == "y n=4")]] * 2 for arm in ARMS[:4]})
    (summary,) = summarize(results)
    assert np.isnan(summary.analysis.trends[0].plateau)
    assert str(claims.claims(results, summary)[-1]) == (
        "the overall score cannot be said to rise or fall as n goes from 1 to 4, total +100.0 points, too few prompts "
        "for an interval, over 3 arms and 2 prompts; step by step 2: 0.0, 4: +100.0"
    )


def test_a_training_without_scores_is_named_and_the_others_keep_theirs() -> None:
    results = missing("b 3")
    (summary,) = summarize(results)
    recipe = summary.analysis.replicates[1]
    scored = summary.analysis.scores
    assert recipe.scores[:2] == pytest.approx([scored[arm].overall.value for arm in ("b 1", "b 2")])
    assert (recipe.mean.state, recipe.deviation.state) == ("none", "none")
    assert np.isnan(recipe.shares.trainings), "no variance is known, not even that it is 0"
    assert replicates.noise(recipe) == (
        f"3 trainings of B score {recipe.scores[0]:.3f}, {recipe.scores[1]:.3f}, –: how far they are apart is not "
        "known yet, b 3 has too few scores"
    )
    assert str(claims.claims(results, summary)[0]) == (
        "B cannot yet be compared with A, too few samples are scored in all trainings (3 of B, 3 of A); "
        "b 3 is incomplete"
    )


def test_too_few_prompts_are_not_chance_of_the_prompts() -> None:
    """Of a prompt in each category nothing is known of others, however far the trainings are apart from each other."""
    scores: dict[str, Any] = {arm: [[0.9 + 0.01 * int(arm[-1])]] * 2 for arm in TRAININGS["B"]}
    scores |= {arm: [[0.1 + 0.01 * int(arm[-1])]] * 2 for arm in TRAININGS["A"]}
    (summary,) = summarize(run(scores, analysis={"replicates": TRAININGS}))
    (contrast,) = summary.analysis.replicate_contrasts
    assert (contrast.distinction, contrast.everywhere.state) == ("apart", "few")
    assert replicates.verdict(contrast) == "few"


@pytest.mark.parametrize("first", [None, 38])
def test_a_gate_says_what_it_cannot_compare(first: int | None) -> None:
    outcomes = {outcome.arm: outcome for outcome in gates.not_worse(missing("x", of=first), missing("a 1", of=0))}
    assert not NONE.search(str(outcomes["x"]))
    assert outcomes["x"].verdict == "undecided"
    assert outcomes["y n=1"].passed


def test_a_comparison_of_runs_says_that_samples_are_missing() -> None:
    generator = np.random.default_rng(0)
    base = (generator.random((80, 2)) < 0.5).astype(float)
    failing = np.where(generator.random((80, 2)) < 0.4, 1.0, np.nan)
    runs = [run({"x": base}), run({"x": failing})]
    (claim,) = comparison_claims(runs, compare(*runs), [], {"toy": "Toy"})
    assert (claim.relation, claim.told_apart) == ("cannot yet be told apart from", False)
    assert "; with what is missing −" in claim.brief
    few = [run({"x": [[0.0], [0.0]]}), run({"x": [[1.0], [1.0]]})]
    (claim,) = comparison_claims(few, compare(*few), [], {"toy": "Toy"})
    assert claim.brief == "+100.0 points, too few prompts for an interval"
    assert not any(NONE.search(text) for text in _words(contrasts_table(compare(*few), "toy", [])))
