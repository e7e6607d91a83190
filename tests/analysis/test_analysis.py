"""What is found of a run, against numbers computed another way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from runs import random_scores, run

from evalharness.analysis import Flips, analyse, stats
from evalharness.analysis.grid import grid
from evalharness.store.results import Results

WEIGHTS = {"a": 0.25, "b": 0.75}


def test_the_grid_is_a_pivot() -> None:
    results = run(random_scores(["x", "y", "z"]))
    shuffled = replace(results, samples=results.samples.sample(frac=1.0, random_state=0))
    wanted = results.samples.pivot(index=["item", "seed_index", "category"], columns="arm", values="score")
    for table in (grid(results, "toy"), grid(shuffled, "toy")):
        assert (table.scores == wanted[["x", "y", "z"]].to_numpy()).all()
        for name, values in (
            ("item", table.ids[table.items]),
            ("seed_index", table.seeds),
            ("category", table.categories),
        ):
            assert (values == wanted.index.get_level_values(name)).all()


def test_flips_by_hand() -> None:
    scores = {"x": [[1, 0], [0, 0], [1, 1], [0, math.nan]], "y": [[1, 1], [0, 1], [0, 1], [1, 1]]}
    (contrast,) = analyse(run(scores))["toy"].contrasts
    assert contrast.flips == Flips(fixed=3, broken=1, both_right=2, both_wrong=1, better=3, worse=1)
    assert contrast.flips_by_category["a"] == Flips(fixed=1, broken=1, both_right=2, both_wrong=0, better=1, worse=1)
    assert (contrast.difference.samples, contrast.difference.prompts) == (7, 4)
    assert contrast.difference.value == pytest.approx(0.25 * 0 + 0.75 * 2 / 3)
    assert math.isnan(contrast.mcnemar)


def test_graded_scores_are_right_when_they_are_full() -> None:
    scores = {"x": [[0.2], [0.9], [1.0], [0.5]], "y": [[0.4], [1.0], [0.9], [0.5]]}
    (contrast,) = analyse(run(scores))["toy"].contrasts
    assert contrast.flips == Flips(fixed=1, broken=1, both_right=0, both_wrong=2, better=2, worse=1)
    assert math.isnan(contrast.mcnemar)


def test_scores_above_1_are_right() -> None:
    scores = {"x": [[1.0], [1.0], [1.05], [0.0]], "y": [[1.05], [1.05], [1.0], [0.0]]}
    (contrast,) = analyse(run(scores))["toy"].contrasts
    assert contrast.flips == Flips(fixed=0, broken=0, both_right=3, both_wrong=1, better=2, worse=1)


def test_a_missing_score_may_be_as_high_as_the_scorer_allows() -> None:
    scores = {"x": [[1.0], [1.0], [1.0], [math.nan]], "y": [[0.5], [0.5], [0.5], [0.5]]}
    results = run(scores)
    results.info["benchmarks"]["toy"]["score_range"] = [0.0, 4.5]
    (contrast,) = analyse(results)["toy"].contrasts
    complete = [run({**scores, "x": [[1.0], [1.0], [1.0], [value]]}) for value in (0.0, 4.5)]
    gaps = [analyse(each)["toy"].contrasts[0].difference.value for each in complete]
    assert sorted(contrast.possible) == pytest.approx(sorted(gaps))


def test_a_contrast_is_the_estimate_and_test_of_the_differences() -> None:
    results = run(random_scores(["x", "y", "z"]))
    analysis = analyse(results)["toy"]
    table = grid(results, "toy")
    contrast = analysis.contrast("z")
    assert contrast is not None
    gap = table.difference("z", "x")
    estimate = stats.estimate(gap, table.items, table.categories, WEIGHTS, limits=(-1.0, 1.0)).overall
    assert (contrast.difference.value, contrast.difference.low) == pytest.approx((estimate.value, estimate.low))
    assert contrast.p == stats.sign_flip(gap, table.items, table.categories, WEIGHTS)[0]
    shown = stats.smallest_shown(gap, table.items, table.categories, WEIGHTS, tests=2)
    assert contrast.detectable == shown > 2.8 * contrast.difference.se
    assert [size.difference for size in contrast.needed] == [0.01, 0.02, 0.04]
    assert analysis.contrast("z", "y") is None


def test_one_binary_image_a_prompt_has_mcnemar_s_p_value() -> None:
    (contrast,) = analyse(run(random_scores(["x", "y"], images=1)))["toy"].contrasts
    assert contrast.mcnemar == stats.mcnemar(contrast.flips.fixed, contrast.flips.broken)


def test_confirmatory_contrasts_and_trends_are_one_family_and_the_rest_another() -> None:
    arms = ["x", "y 1", "y 2", "y 3", "z"]
    declared = {
        "confirmatory": [{"arm": "z", "against": "x"}, {"arm": "z", "against": "y 3"}, {"arm": "gone", "against": "x"}],
        "trend": [{"arms": ["y 1", "y 2", "y 3"], "over": "n"}, {"arms": ["y 1", "gone"], "over": "n"}],
    }
    settings = {f"y {n}": {"n": n} for n in (1, 2, 3)}
    analysis = analyse(run(random_scores(arms), settings=settings, analysis=declared))["toy"]
    tested = [contrast for contrast in analysis.contrasts if contrast.preregistered]
    assert [(contrast.arm, contrast.baseline) for contrast in tested] == [("z", "x"), ("z", "y 3")]
    assert [(contrast.arm, contrast.baseline) for contrast in analysis.contrasts if not contrast.preregistered] == [
        (f"y {n}", "x") for n in (1, 2, 3)
    ]
    (trend,) = analysis.trends
    holm = stats.holm([*(contrast.p for contrast in tested), trend.p])
    assert [*(contrast.p_adjusted for contrast in tested), trend.p_adjusted] == holm.tolist()
    assert {(contrast.family, contrast.correction) for contrast in tested} == {(3, "holm")}
    exploratory = [contrast for contrast in analysis.contrasts if not contrast.preregistered]
    assert [contrast.p_adjusted for contrast in exploratory] == stats.benjamini_hochberg(
        [contrast.p for contrast in exploratory]
    ).tolist()
    assert {(contrast.family, contrast.correction) for contrast in exploratory} == {(3, "benjamini-hochberg")}


def test_families_reach_over_all_benchmarks() -> None:
    parts = [run(random_scores(["x", "y"], seed=seed), benchmark=name) for seed, name in enumerate(("one", "two"))]
    import pandas as pd

    both = replace(
        parts[0],
        samples=pd.concat([part.samples for part in parts]),
        info=dict(parts[0].info) | {"benchmarks": parts[0].info["benchmarks"] | parts[1].info["benchmarks"]},
    )
    analysis = analyse(both)
    p_values = [analysis[name].contrasts[0].p for name in ("one", "two")]
    adjusted = [analysis[name].contrasts[0].p_adjusted for name in ("one", "two")]
    assert adjusted == stats.benjamini_hochberg(p_values).tolist()
    assert {analysis[name].contrasts[0].family for name in analysis} == {2}


def test_the_slope_of_a_trend_is_that_of_the_scores() -> None:
    arms = ["x", "y 1", "y 2", "y 4"]
    declared = {"trend": [{"arms": arms[1:], "over": "n"}]}
    results = run(random_scores(arms), settings={f"y {n}": {"n": n} for n in (1, 2, 4)}, analysis=declared)
    analysis = analyse(results)["toy"]
    (trend,) = analysis.trends
    scores = [analysis.scores[arm].overall.value for arm in arms[1:]]
    assert trend.slope.value == pytest.approx(np.polyfit([1, 2, 4], scores, 1)[0])
    assert trend.values == (1, 2, 4)
    assert trend.slope.low < trend.slope.value < trend.slope.high
    assert trend.p < 0.05


def test_costs_are_means_over_what_was_drawn() -> None:
    scores = random_scores(["x", "y"])
    scores["y"][0, 0] = math.nan
    results = run(scores)
    analysis = analyse(results)["toy"]
    costs = {(point.arm, point.measure): point for point in analysis.costs}
    assert costs["y", "evaluations"].cost.value == costs["y", "evaluations"].cost.low == 20
    drawn = results.samples[(results.samples["arm"] == "y") & (results.samples["state"] == "scored")]
    tokens = costs["y", "tokens"].cost
    assert tokens.value == pytest.approx(drawn["tokens"].mean(), abs=0.2)
    assert tokens.low < tokens.value < tokens.high
    assert costs["x", "seconds"].score == analysis.scores["x"].overall


def test_the_best_of_all_images_is_the_share_of_prompts_with_any_right() -> None:
    scores = random_scores(["x", "y"])
    scores_of_best = {(best.arm, best.k): best.score for best in analyse(run(scores))["toy"].best_of}
    assert sorted(scores_of_best) == [(arm, k) for arm in "xy" for k in (1, 2, 3)]
    any_right = scores["y"].max(axis=1)
    expected = 0.25 * any_right[::2].mean() + 0.75 * any_right[1::2].mean()
    assert scores_of_best["y", 3].value == pytest.approx(expected)
    assert scores_of_best["y", 1].value == pytest.approx(analyse(run(scores))["toy"].scores["y"].overall.value)
    assert scores_of_best["y", 1].value < scores_of_best["y", 2].value < scores_of_best["y", 3].value
    assert analyse(run(random_scores(["x", "y"], images=1)))["toy"].best_of == ()


def declared_late(results: Results, *kinds: str) -> Results:
    """The results, with all declarations of these kinds made after the run."""
    analysis, facts = results.info["sweep"]["analysis"], []
    for contrast in analysis.get("confirmatory", ()):
        facts.append({"kind": "contrast", "arms": [contrast["arm"], contrast["against"]]})
    facts += [{"kind": "trend", "arms": trend["arms"]} for trend in analysis.get("trend", ())]
    facts += [{"kind": "replicates", "arms": arms} for arms in analysis.get("replicates", {}).values()]
    facts = [fact | {"benchmark": "toy", "declared": None, "before": fact["kind"] not in kinds} for fact in facts]
    return replace(results, info=dict(results.info) | {"declarations": facts})


def test_what_was_declared_after_the_run_is_tested_with_the_exploratory() -> None:
    arms = ["x", "y 1", "y 2", "z"]
    declared = {
        "confirmatory": [{"arm": "z", "against": "x"}],
        "trend": [{"arms": ["y 1", "y 2"], "over": "n"}],
        "replicates": {"first": ["x"], "second": ["z"]},
    }
    settings = {"y 1": {"n": 1}, "y 2": {"n": 2}}
    results = run(random_scores(arms), settings=settings, analysis=declared)
    early = analyse(declared_late(results))["toy"]
    assert early.contrast("z").preregistered and early.trends[0].preregistered
    late = analyse(declared_late(results, "contrast", "trend", "replicates"))["toy"]
    assert not any(contrast.preregistered for contrast in (*late.contrasts, *late.trends, *late.replicate_contrasts))
    assert [contrast.declared for contrast in late.contrasts] == [False, False, True]
    tests = [*late.contrasts, *late.trends]
    assert [test.p_adjusted for test in tests] == stats.benjamini_hochberg([test.p for test in tests]).tolist()
    assert {test.family for test in tests} == {4}


def test_a_difference_that_missing_samples_could_turn_is_not_told_apart() -> None:
    """An arm whose wrong images fail looks perfect; were they scored, it might be no better than the other."""
    generator = np.random.default_rng(0)
    base = (generator.random((80, 2)) < 0.5).astype(float)
    failing = np.where(generator.random((80, 2)) < 0.4, 1.0, math.nan)
    (contrast,) = analyse(run({"x": base, "y": failing}))["toy"].contrasts
    assert contrast.difference.low > 0 and contrast.p_adjusted <= 0.05
    assert contrast.possible[0] < 0 < contrast.possible[1]
    assert not contrast.significant
    few = np.where(np.arange(160).reshape(80, 2) < 4, math.nan, 1.0)
    (contrast,) = analyse(run({"x": base, "y": few}))["toy"].contrasts
    assert 0 < contrast.possible[0] < contrast.difference.value
    assert contrast.significant


def test_a_trend_that_levels_off_says_where() -> None:
    """Better up to 3, alike from there on."""
    generator = np.random.default_rng(1)
    easy = generator.random((150, 2))
    arms = {f"y {n}": (easy < min(0.3 + 0.2 * n, 0.9)).astype(float) for n in range(1, 6)}
    for n in (4, 5):
        arms[f"y {n}"][n, 0] = 1 - arms[f"y {n}"][n, 0]
    declared = {"trend": [{"arms": list(arms), "over": "n"}]}
    settings = {arm: {"n": int(arm[2:])} for arm in arms}
    (trend,) = analyse(run(arms, settings=settings, analysis=declared))["toy"].trends
    assert trend.significant and trend.plateau == 3
    assert [step.significant for step in trend.steps] == [True, True, False, False]
    assert [(step.start, step.end) for step in trend.steps] == [(1, 2), (2, 3), (3, 4), (4, 5)]
    assert trend.total.value == pytest.approx(sum(step.difference.value for step in trend.steps))
    assert trend.possible == pytest.approx((trend.total.value, trend.total.value))


def test_the_images_that_differ_are_counted() -> None:
    results = run(random_scores(["x", "y"], items=10, images=2))
    rows = results.samples["arm"] == "y"
    same = results.samples.loc[results.samples["arm"] == "x", "image"].tolist()
    results.samples.loc[rows, "image"] = [*same[:19], "another"]
    (contrast,) = analyse(results)["toy"].contrasts
    assert contrast.differing_images == 1


def test_a_score_that_lacks_samples_is_not_known() -> None:
    scores = random_scores(["x", "y"])
    scores["y"][2] = math.nan
    analysis = analyse(run(scores))["toy"]
    assert analysis.known_scores("x") == {"": analysis.scores["x"].overall, **analysis.scores["x"].categories}
    known = analysis.known_scores("y")
    assert known["b"] == analysis.scores["y"].categories["b"]
    assert math.isnan(known["a"].value)
    assert math.isnan(known[""].value)
    assert (analysis.coverage["y"]["a"], analysis.counts("x", "y")) == ((57, 60), (237, 240))
    costs = {point.arm: point.score.value for point in analysis.costs}
    assert costs["x"] == analysis.scores["x"].overall.value
    assert math.isnan(costs["y"])
