"""What a report says where arms are trainings of recipes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_samples import sample_results

from evalharness.analysis.stats import Estimate
from evalharness.report import build, claims, replicates
from evalharness.report.summary import Summary, summarize
from evalharness.store.results import Results

LONG = [f"process max_iterations={cap}" for cap in (4, 5, 6)]
SAID = {"replicates": {"short": ["single-pass", "text-cot"], "long": LONG, "once": ["process max_iterations=3"]}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Results:
    run = sample_results(tmp_path_factory.mktemp("images"), prompts=60, missing=False)
    return replace(run, info=dict(run.info) | {"sweep": {"analysis": SAID}})


@pytest.fixture(scope="module")
def table(trained: Results) -> Summary:
    return summarize(trained)[0]


def test_recipes_are_claimed_in_place_of_their_trainings(trained: Results, table: Summary) -> None:
    texts = [str(claim) for claim in claims.claims(trained, table)]
    long, once = table.analysis.replicate_contrasts
    assert texts[0].startswith("long is ")
    assert f"points above short, more than training noise: 95 % interval {100 * long.difference.low:.1f} to" in texts[0]
    assert "over trainings (3 of long, 2 of short)" in texts[0]
    share = long.shares.between
    expected = f"of its variance {100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}] is between"
    assert expected in texts[0]
    assert texts[1].startswith(f"once {replicates.relation(once)} short, ")
    assert "once trained once: no interval over trainings" in texts[1]
    # The lead arms, text-cot and the longest process, are trainings of "short" and of "long".
    assert len(texts) == 2


def test_every_verdict_has_its_words(table: Summary) -> None:
    contrast = replace(table.analysis.replicate_contrasts[0], p=0.01, p_adjusted=0.02, family=2, differing=())
    counts = {"long": 3, "short": 2}
    beyond = replace(contrast, difference=Estimate(0.1, 0.05, 0.15), everywhere=Estimate(0.1, 0.01, 0.19))
    prompts = replace(beyond, everywhere=Estimate(0.1, -0.01, 0.21))
    within = replace(beyond, difference=Estimate(0.1, -0.05, 0.25))
    corrected = replace(beyond, p_adjusted=0.06)
    few = replace(beyond, everywhere=Estimate(0.1))
    unsure = replace(beyond, possible=(-0.087, 0.412))
    unknown = replace(few, difference=Estimate(0.1))
    alike = replace(few, difference=Estimate(0.1, se=0.0))
    none = replace(few, difference=Estimate(math.nan), everywhere=Estimate(math.nan))
    verdicts = [replicates.verdict(case) for case in (beyond, prompts, within, corrected, few, unsure, unknown, none)]
    assert verdicts == ["beyond", "prompts", "within", "within", "few", "open", "unknown", "none"]
    assert replicates.relation(within) == "is within training noise of"
    assert "95 % interval −5.0 to 25.0 over trainings" in replicates.evidence(within, counts)
    assert "p = 0.010, corrected for 2 comparisons of recipes 0.060" in replicates.evidence(corrected, counts)
    late = replicates.evidence(replace(corrected, preregistered=False), counts)
    assert "p = 0.010, corrected for 2 exploratory comparisons 0.060" in late
    assert "more than training noise but not for any prompts" in replicates.evidence(prompts, counts)
    assert replicates.evidence(unknown, {"long": 1, "short": 1}) == (
        "difference 10.0 points, 1 of long, 1 of short; long and short trained once: no interval over trainings"
    )
    assert "3 of long, 2 of short score all the same" in replicates.evidence(alike, counts)
    assert "on these prompts, which are too few to say it of others" in replicates.evidence(few, counts)
    assert replicates.relation(unsure) == "cannot yet be told apart from"
    assert replicates.evidence(unsure, counts).endswith("between −8.7 and 41.2, so its sign is open")
    assert replicates.verdict_text(unsure) == "open: samples are missing; with them −8.7 to 41.2 points"
    assert replicates.relation(none) == "cannot yet be compared with"
    assert replicates.evidence(none, counts) == "too few samples are scored in all trainings (3 of long, 2 of short)"
    mixed = replace(beyond, differing=("inspect",))
    assert "they also differ in inspect" in replicates.evidence(mixed, counts)


def test_noise_in_a_sentence(table: Summary) -> None:
    short, long, once = table.analysis.replicates
    assert replicates.noise(once) == "once was trained once: how much of its score is training noise is not known"
    assert replicates.noise(long).startswith(f"3 trainings of long score {long.scores[0]:.3f}, ")
    assert replicates.noise(short).endswith(f"between them {100 * short.deviation.value:.1f} points")


def test_an_incomplete_training_is_named(tmp_path: Path) -> None:
    run = sample_results(tmp_path, prompts=60)
    run = replace(run, info=dict(run.info) | {"sweep": {"analysis": SAID}})
    texts = [str(claim) for claim in claims.claims(run, summarize(run)[0])]
    assert texts[0].endswith("process max_iterations=4 and process max_iterations=5 are incomplete")


def test_page_files_and_json(trained: Results, table: Summary, tmp_path: Path) -> None:
    page = build(trained, tmp_path / "report").read_text(encoding="utf-8")
    assert "<h3>Training noise</h3>" in page and "<h3>Recipes</h3>" in page
    assert replicates.noise(table.analysis.replicates[2]) + "." in page
    folder = tmp_path / "report"
    frame = pd.read_parquet(folder / "tables/geneval-recipes.parquet").set_index("recipe")
    long = table.analysis.replicates[1]
    assert frame.loc["long", "deviation"] == pytest.approx(long.deviation.value)
    assert [float(text) for text in frame.loc["long", "scores"].split()] == list(long.scores)
    contrasts = pd.read_csv(folder / "tables/geneval-recipe-contrasts.csv")
    assert list(contrasts["recipe"]) == ["long", "once"]
    assert "more than training noise" in (folder / "tables/geneval-recipe-contrasts.md").read_text()
    assert r"\toprule" in (folder / "tables/geneval-recipe-contrasts.tex").read_text()
    numbers = json.loads((folder / "results.json").read_text())
    assert numbers["analysis"]["geneval"]["recipe_contrasts"][0]["difference"]["value"] == pytest.approx(
        table.analysis.replicate_contrasts[0].difference.value
    )
    assert numbers["claims"][0].startswith("long is ")
