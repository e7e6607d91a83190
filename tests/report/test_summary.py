"""The tables against numbers computed another way, and read back from every format."""

from __future__ import annotations

import doctest
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_samples import CATEGORIES, sample_results
from runs import random_scores, run

from evalharness.analysis import arms
from evalharness.errors import EvalHarnessError
from evalharness.report import analysis_frames, formatting, page_tables, summary, table_files
from evalharness.report.model_index import model_indices
from evalharness.report.results_json import results_json
from evalharness.report.tracking import tracked_arms
from evalharness.store.results import Results


@pytest.fixture(scope="module")
def table(results: Results) -> summary.Summary:
    return summary.summarize(results)[0]


def row(table: summary.Summary, arm: str) -> pd.Series:
    return table.wide.set_index("arm").loc[arm]


def test_examples() -> None:
    assert doctest.testmod(formatting).failed == 0


def test_overall_is_the_mean_of_six_category_means(results: Results, table: summary.Summary) -> None:
    for arm in ("single-pass", "process max_iterations=6"):
        means = []
        for category in CATEGORIES:
            scores = [
                sample.score
                for sample in results.samples.itertuples()
                if (sample.benchmark, sample.arm, sample.category) == ("geneval", arm, category)
            ]
            means.append(sum(scores) / len(scores))
            assert row(table, arm)[f"category.{category}"] == pytest.approx(means[-1])
        summary_row = row(table, arm)
        assert summary_row["overall"] == pytest.approx(sum(means) / 6)
        assert summary_row["overall_low"] < summary_row["overall"] < summary_row["overall_high"]


def test_the_difference_is_over_pairs_that_both_have(results: Results, table: summary.Summary) -> None:
    samples = results.samples[results.samples["benchmark"] == "geneval"]
    scores = {(s.arm, s.item, s.seed_index): s.score for s in samples.itertuples() if s.state == "scored"}
    category = dict(zip(samples["item"], samples["category"], strict=True))
    for arm in ("process max_iterations=5", "process max_iterations=6"):
        differences: dict[str, list[float]] = {name: [] for name in CATEGORIES}
        for name, item, seed in scores:
            if name == arm and ("single-pass", item, seed) in scores:
                difference = scores[arm, item, seed] - scores["single-pass", item, seed]
                differences[category[item]].append(difference)
        summary_row = row(table, arm)
        assert summary_row["difference"] == pytest.approx(np.mean([np.mean(d) for d in differences.values()]))
        assert summary_row["pairs"] == sum(map(len, differences.values()))


def test_an_incomplete_arm_has_bounds_and_no_headline(results: Results, table: summary.Summary) -> None:
    summary_row = row(table, "process max_iterations=5")
    samples = results.samples[
        (results.samples["benchmark"] == "geneval") & (results.samples["arm"] == summary_row.name)
    ]
    assert math.isnan(summary_row["overall"])
    assert (summary_row["coverage"], summary_row["failed"]) == ("69/72", 2)
    for bound, filler in (("bound_low", 0.0), ("bound_high", 1.0)):
        by_category = samples.assign(score=samples["score"].fillna(filler)).groupby("category")["score"].mean()
        assert summary_row[bound] == pytest.approx(by_category.mean())
    shown = table.shown.set_index("arm").loc[summary_row.name, "overall"]
    assert shown.startswith("incomplete: ")


def test_costs_are_means_over_drawn_samples(results: Results, table: summary.Summary) -> None:
    samples = results.samples[(results.samples["benchmark"] == "geneval")]
    drawn = samples[(samples["arm"] == "process max_iterations=5") & samples["image"].notna()]
    assert row(table, "process max_iterations=5")["tokens"] == pytest.approx(drawn["tokens"].astype(float).mean())


def test_benchmarks_never_share_a_table(results: Results) -> None:
    summaries = summary.summarize(results)
    assert [table.benchmark for table in summaries] == ["geneval", "shapes"]
    assert all(set(table.wide["benchmark"]) == {table.benchmark} for table in summaries)


def test_a_category_without_samples_is_not_zero(tmp_path: Path) -> None:
    results = sample_results(tmp_path, prompts=12, missing=False)
    results.samples.loc[results.samples["category"] == "colors", ["state", "score"]] = ["pending", None]
    summary_row = row(summary.summarize(results)[0], "single-pass")
    assert math.isnan(summary_row["category.colors"])
    assert math.isnan(summary_row["overall"])
    assert summary_row["bound_high"] - summary_row["bound_low"] == pytest.approx(1 / 6)


def test_the_long_form_holds_the_same_numbers(table: summary.Summary) -> None:
    for quantity, column in (("overall", "overall"), ("difference", "difference"), ("category.colors",) * 2):
        part = table.long[table.long["quantity"] == quantity].set_index("arm")["value"]
        pd.testing.assert_series_equal(part, table.wide.set_index("arm")[column], check_names=False)


def test_tables_round_trip(results: Results, tmp_path: Path) -> None:
    summaries = summary.summarize(results)
    table_files.write_tables(summaries, tmp_path)
    for table in summaries:
        for form, frame in (("wide", table.wide), ("long", table.long)):
            stem = tmp_path / f"{table.benchmark}-{form}"
            pd.testing.assert_frame_equal(pd.read_parquet(f"{stem}.parquet"), frame, check_dtype=False)
            pd.testing.assert_frame_equal(pd.read_csv(f"{stem}.csv", dtype={"protocol": str}), frame, check_dtype=False)
        lines = (tmp_path / f"{table.benchmark}-wide.md").read_text().splitlines()
        assert len(lines) == 2 + len(table.wide)
        assert "single-pass" in lines[2]


def test_a_run_without_samples_says_so(results: Results) -> None:
    empty = Results(results.info, results.arms, results.samples.iloc[:0], results.steps, results.details, Path)
    with pytest.raises(EvalHarnessError, match="no samples"):
        summary.summarize(empty)


def test_families_differ_in_their_cap_alone(results: Results) -> None:
    families = arms.families(results.arms)
    assert [(family.label, family.caps) for family in families] == [
        ("single-pass", ()),
        ("text-cot", ()),
        ("process", (1, 2, 3, 4, 5, 6)),
    ]


@pytest.mark.parametrize(
    ("identity", "text"),
    [("judge-7", "judge-7 "), ({"detector": {"name": "m2f"}}, "m2f "), ({}, ""), ({"judge": "x", "name": "y"}, "y x ")],
)
def test_a_scorer_is_named_with_a_digest(identity: object, text: str) -> None:
    named = formatting.short_scorer(identity)
    assert named[:-8] == text
    assert formatting.short_scorer({"other": 1}) != named


def test_what_lacks_samples_leaves_the_program_as_no_score() -> None:
    scores = random_scores(["x", "y"], images=1)
    scores["y"][2::2] = np.nan
    results = run(scores)
    (found,) = summary.summarize(results)
    assert set(found.known_scores("x")) == {"", "a", "b"}
    assert set(found.known_scores("y")) == {"b"}
    assert found.shown.set_index("arm").loc["y", "a"].endswith("(1/20 scored)")
    cells = {row.cells[0].text: row.cells[2] for row in page_tables.by_category(found, ["a", "b"]).rows}
    assert (cells["y"].note, cells["y"].mark) == ("1/20 scored", "incomplete")
    assert cells["y"].value is not None and math.isnan(cells["y"].value)
    (index,) = model_indices(results)["m"]
    of_arm = [entry for entry in index["results"] if entry["dataset"]["config"] == "y"]
    names = [metric["name"] for entry in of_arm for metric in entry["metrics"]]
    assert names == ["toy, b"]
    (_, tracked) = tracked_arms(results)
    assert {"toy/score", "toy/a"}.isdisjoint(tracked.metrics)
    assert "toy/b" in tracked.metrics
    tasks = results_json(results, [found])["results"]
    assert [math.isnan(tasks[f"toy/y{task}"]["score,none"]) for task in ("", "/a", "/b")] == [True, True, False]


def test_best_of_k_says_how_much_of_an_arm_is_scored() -> None:
    scores = random_scores(["x", "y"], images=2)
    scores["y"][0] = np.nan
    (found,) = summary.summarize(run(scores))
    table = page_tables.best_of(found)
    assert table is not None
    assert [[cell.mark for cell in row.cells[1:]] for row in table.rows] == [["", ""], ["incomplete"] * 2]
    frame = analysis_frames.frames(found.analysis)["best-of"].set_index("arm")
    assert frame.loc["y", "scored"].tolist() == [78, 78]
