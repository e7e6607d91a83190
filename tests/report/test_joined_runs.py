"""Several runs as one: which samples are partners."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from compared_runs import ARMS, compared_runs
from runs import random_scores, run

from evalharness.analysis.comparison import compare, compare_runs
from evalharness.analysis.grid import grid
from evalharness.report.joined_runs import joined_runs, leading_pairs, ordered_arms
from evalharness.store.results import Results

SCORES = random_scores(["x", "y"])


def joined(*runs: Results) -> Results:
    return joined_runs(runs, compare_runs(runs), "both")


def test_partners_have_the_same_prompt_and_seed() -> None:
    first, second = run({"x": SCORES["x"], "alone": SCORES["x"]}), run({"x": SCORES["y"][:30]})
    both = joined(first, second)
    assert list(both.arms["arm"]) == ["A x", "B x"]
    assert len(both.samples) == 2 * 30 * 3
    table = grid(both, "toy")
    assert (table.column("A x") == SCORES["x"][:30].ravel()).all()
    assert (table.column("B x") == SCORES["y"][:30].ravel()).all()


def test_a_seed_that_has_another_place_in_the_second_run_is_a_partner() -> None:
    first, second = run({"x": SCORES["x"]}), run({"x": SCORES["x"]})
    second.samples["seed_index"] = 2 - second.samples["seed_index"]
    samples = joined(first, second).samples
    assert (samples.groupby(["item", "seed_index"])["seed"].nunique() == 1).all()
    assert (samples.groupby(["item", "seed_index"])["arm"].nunique() == 2).all()


def test_without_a_common_seed_partners_have_the_same_place() -> None:
    samples = joined(run({"x": SCORES["x"]}), run({"x": SCORES["y"]}, seed=1)).samples
    assert len(samples) == 2 * 40 * 3
    assert (samples.groupby(["item", "seed_index"])["arm"].nunique() == 2).all()


def test_a_prompt_in_other_words_is_no_partner() -> None:
    first, second, third = (run({"x": SCORES["x"]}) for _ in range(3))
    for other in (second, third):
        other.samples.loc[other.samples["item"] == "003", "prompt"] = "rewritten"
    samples = joined(first, second, third).samples
    rewritten = samples[samples["prompt"] == "rewritten"]
    assert set(rewritten["item"]) == {"003 (wording 2)"}
    assert set(rewritten["arm"]) == {"B x", "C x"}
    assert "003" not in set(samples["item"])


def test_runs_without_a_common_prompt_have_no_partners() -> None:
    first, second = run({"x": SCORES["x"]}), run({"x": SCORES["x"]}, items=[f"other {n}" for n in range(40)])
    assert joined(first, second).samples.empty


def test_details_and_images_are_those_of_the_run(tmp_path: Path) -> None:
    first, second = compared_runs(tmp_path)
    second = replace(second, details=lambda key: {"of": key})
    both = joined(first, second)
    rows = both.samples.drop_duplicates("arm").set_index("arm")
    assert "detections" in both.details(rows.loc[f"A {ARMS[0]}", "score_key"])
    assert both.details(rows.loc[f"B {ARMS[0]}", "score_key"]) == {"of": second.samples["score_key"].iloc[0]}
    assert both.image_path(rows["image"].iloc[0]).is_file()


def test_arms_stand_beside_their_partners() -> None:
    runs = [run({"x": SCORES["x"], "y": SCORES["y"]}) for _ in range(3)]
    labels = [(number, arm) for number, arm in ordered_arms(compare_runs(runs))]
    assert labels == [(0, "x"), (1, "x"), (2, "x"), (0, "y"), (1, "y"), (2, "y")]


@pytest.mark.parametrize("environment", ["same", "other"])
def test_an_environment_that_both_used_is_one(environment: str) -> None:
    runs = []
    for identity in ("same", environment):
        counts = {"drawn": {"toy": {"x": 120}}, "begun": {}, "scored": {"toy": {"x": 120}}}
        results = run({"x": SCORES["x"]})
        info = dict(results.info) | {"environments": [{"id": identity, "host": "h", **counts}]}
        runs.append(replace(results, info=info))
    entries = joined_runs(runs, compare(*runs), "both").info["environments"]
    merged = [{"A x": 120, "B x": 120}] if environment == "same" else [{"A x": 120}, {"B x": 120}]
    assert [entry["drawn"]["toy"] for entry in entries] == merged


def test_the_highest_cap_of_each_kind_leads_and_all_runs_have_a_say() -> None:
    arms = {"x": SCORES["x"], "p 1": SCORES["x"], "p 2": SCORES["x"]}
    settings = {"x": {"inspect": False}, "p 1": {"inspect": True}, "p 2": {"inspect": True}}
    runs = [run(arms, settings=settings) for _ in range(3)]
    for results in runs:
        results.arms["max_iterations"] = pd.array([None, 1, 2], dtype="Int64")
    labels = [pair.labels[1] for pair in leading_pairs(runs, compare_runs(runs))]
    assert labels == ["B x", "C x", "B p 2", "C p 2", "B p 1", "C p 1"]
