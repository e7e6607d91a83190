"""Diversity across seeds: against sums over pairs, and against SciPy's interval."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import run
from scipy import stats as scipy_stats

from evalharness.analysis import analyse
from evalharness.analysis.diversity import NO_ENCODER, NOT_COMPUTED, ONE_IMAGE, mean_distance
from evalharness.report.analysis_frames import frames
from evalharness.store.results import Results

PROMPTS, SEEDS = 8, 3


def with_features(features: Mapping[str, Any], arms: str = "xy", seeds: int = SEEDS) -> Results:
    def lookup(benchmark: str, images: Iterable[str]) -> Mapping[str, Any]:
        return {image: features[image] for image in images if image in features}

    results = run({arm: np.ones((PROMPTS, seeds)) for arm in arms})
    return replace(results, features=lookup)


def random_features(spread: Mapping[str, float], seed: int = 0) -> dict[str, Any]:
    """A vector for each image of :func:`runs.run`; those of an arm's prompt differ by its ``spread``."""
    generator = np.random.default_rng(seed)
    features = {}
    for item in range(PROMPTS):
        center = generator.normal(size=6)
        for place, size in enumerate(spread.values()):
            for index in range(SEEDS):
                vector = center + size * generator.normal(size=6)
                features[f"{place:02x}{item:04x}{index:02x}" * 8] = vector / np.linalg.norm(vector)
    return features


def by_prompt(features: Mapping[str, Any], place: int) -> list[float]:
    values = []
    for item in range(PROMPTS):
        vectors = [features[f"{place:02x}{item:04x}{index:02x}" * 8] for index in range(SEEDS)]
        values.append(np.mean([1 - a @ b for a, b in itertools.combinations(vectors, 2)]))
    return values


@given(
    st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: max(map(abs, v)) > 0.1), max_size=6)
)
def test_the_mean_distance_is_that_of_all_pairs(numbers: list[list[float]]) -> None:
    vectors = np.array([np.array(vector) / np.linalg.norm(vector) for vector in numbers])
    if len(vectors) < 2:
        assert np.isnan(mean_distance(vectors))
    else:
        pairs = [1 - a @ b for a, b in itertools.combinations(vectors, 2)]
        assert mean_distance(vectors) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_the_interval_is_students_over_prompts_within_categories() -> None:
    features = random_features({"x": 0.5, "y": 0.2})
    found = analyse(with_features(features))["toy"].diversity.arms
    for place, arm in enumerate("xy"):
        values = np.array(by_prompt(features, place))
        parts = values[::2], values[1::2]  # the categories, of weight 1/4 and 3/4
        assert found[arm].value.value == pytest.approx(0.25 * parts[0].mean() + 0.75 * parts[1].mean())
        errors = [weight**2 * part.var(ddof=1) / len(part) for weight, part in zip((0.25, 0.75), parts, strict=True)]
        degrees = sum(errors) ** 2 / sum(error**2 / (len(part) - 1) for error, part in zip(errors, parts, strict=True))
        reach = scipy_stats.t.ppf(0.975, degrees) * np.sqrt(sum(errors))
        assert found[arm].value.high - found[arm].value.value == pytest.approx(reach)
        assert found[arm].value.prompts == PROMPTS


def test_the_difference_is_paired_by_prompt() -> None:
    features = random_features({"x": 0.5, "y": 0.2})
    found = analyse(with_features(features))["toy"].diversity.arms
    difference = np.array(by_prompt(features, 1)) - by_prompt(features, 0)
    expected = 0.25 * difference[::2].mean() + 0.75 * difference[1::2].mean()
    assert found["y"].difference.value == pytest.approx(expected)
    assert found["y"].difference.high < 0
    assert np.isnan(found["x"].difference.value)


def test_the_same_picture_again_has_diversity_0() -> None:
    features = dict.fromkeys(random_features({"x": 1, "y": 1}), np.array([0.6, 0.8]))
    found = analyse(with_features(features))["toy"].diversity.arms
    assert found["x"].value.value == pytest.approx(0, abs=1e-12)
    assert (found["y"].difference.low, found["y"].difference.high) == pytest.approx((0, 0), abs=1e-12)


def test_images_without_features_are_left_out_and_counted() -> None:
    features = random_features({"x": 0.5, "y": 0.2})
    whole = by_prompt(features, 0)
    del features["00000100" * 8], features["00000101" * 8], features["00000002" * 8]
    diversity = analyse(with_features(features))["toy"].diversity
    assert diversity.lacking == 3
    assert diversity.arms["x"].value.prompts == PROMPTS - 1  # one image of the second prompt is left
    assert diversity.arms["x"].value.value != pytest.approx(np.mean(whole))


def test_why_there_is_none() -> None:
    assert analyse(with_features({}))["toy"].diversity.reason == NOT_COMPUTED
    assert analyse(with_features({}, seeds=1))["toy"].diversity.reason == ONE_IMAGE
    assert analyse(run({"x": np.ones((4, 2))}))["toy"].diversity.reason == NO_ENCODER


def test_files_have_it() -> None:
    analysis = analyse(with_features(random_features({"x": 0.5, "y": 0.2})))["toy"]
    frame = frames(analysis)["diversity"]
    assert frame["arm"].tolist() == ["x", "y"]
    assert frame["diversity"][1] == analysis.diversity.arms["y"].value.value
    assert analysis.as_dict()["diversity"]["arms"]["y"]["value"]["value"] == frame["diversity"][1]
