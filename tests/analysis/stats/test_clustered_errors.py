"""Standard errors against statsmodels' cluster-robust regression and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from evalharness.analysis import stats
from evalharness.analysis.stats import clusters


def uneven(generator: np.random.Generator, prompts: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of prompts with one to four images each."""
    counts = generator.integers(1, 5, size=prompts)
    items = np.repeat(np.arange(prompts), counts)
    chances = generator.random(prompts)
    return (generator.random(len(items)) < chances[items]).astype(float), items


def test_one_category_is_the_regression_on_an_intercept() -> None:
    values, items = uneven(np.random.default_rng(0), 40)
    fit = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": items})
    result = stats.estimate(values, items, np.full(len(items), "a"), {"a": 1.0}).overall
    assert result.value == pytest.approx(fit.params[0])
    assert result.se == pytest.approx(fit.bse[0], rel=1e-10)
    assert (result.prompts, result.samples) == (40, len(items))


def test_categories_are_dummies_and_the_overall_is_their_linear_combination() -> None:
    generator, weights = np.random.default_rng(1), {"a": 0.2, "b": 0.5, "c": 0.3}
    parts = {name: uneven(generator, prompts) for name, prompts in zip(weights, (12, 30, 21), strict=True)}
    values = np.concatenate([part for part, _ in parts.values()])
    items = np.concatenate([[f"{name}{item}" for item in part] for name, (_, part) in parts.items()])
    labels = np.concatenate([[name] * len(part) for name, (part, _) in parts.items()])
    dummies = np.stack([(labels == name).astype(float) for name in weights], axis=1)
    _, groups = np.unique(items, return_inverse=True)
    fit = sm.OLS(values, dummies).fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    scale = np.array([n / (n - 1) for n in (12, 30, 21)])
    result = stats.estimate(values, items, labels, weights)
    for place, name in enumerate(weights):
        assert result.categories[name].se == pytest.approx(fit.bse[place] * math.sqrt(scale[place]), rel=1e-10)
    factors = np.array(list(weights.values()))
    variance = (factors**2 * np.diag(fit.cov_params()) * scale).sum()
    assert result.overall.se == pytest.approx(math.sqrt(variance), rel=1e-10)
    assert result.overall.value == pytest.approx(fit.params @ factors)


def test_all_columns_at_once_are_the_columns_one_by_one() -> None:
    generator = np.random.default_rng(2)
    items, labels = np.repeat(np.arange(60), 2), np.repeat(["a", "b"], 60)
    columns = (generator.random((120, 5)) < 0.7).astype(float)
    columns[generator.random((120, 5)) < 0.1] = math.nan
    columns[:40, 3] = math.nan  # prompts without any value: draws of its own
    together = stats.estimates(columns, items, labels, {"a": 0.4, "b": 0.6})
    for column, result in zip(columns.T, together, strict=True):
        alone = stats.estimate(column, items, labels, {"a": 0.4, "b": 0.6})
        assert alone.samples == result.samples
        for alone_estimate, other in zip(
            (alone.overall, *alone.categories.values()), (result.overall, *result.categories.values()), strict=True
        ):
            assert [alone_estimate.value, alone_estimate.low, alone_estimate.high, alone_estimate.se] == pytest.approx(
                [other.value, other.low, other.high, other.se]
            )


def test_sums_of_a_stratum_by_hand() -> None:
    (result,) = clusters.strata([[1.0, math.nan], [0.0, 1.0], [1.0, 1.0]], ["y", "x", "y"], ["a"] * 3)
    assert result.sums.tolist() == [[0.0, 1.0], [2.0, 1.0]]
    assert result.counts.tolist() == [[1.0, 1.0], [2.0, 1.0]]
