"""Means of aspects against sums by hand; whatever a store's details hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import run

from evalharness.analysis import analyse
from evalharness.analysis.aspects import aspects
from evalharness.report.analysis_frames import frames
from evalharness.store.results import Results
from evalharness.types.score import LAST_IMAGE_ONLY


def with_details(details: dict[str, Any], arms: int = 1) -> Results:
    scores = {name: np.ones((4, 2)) for name in "xyz"[:arms]}
    return replace(run(scores), details=lambda key: details.get(key, {}))


def key(place: int, item: int, image: int) -> str:
    return f"s{place}-{item}-{image}"


def test_means_are_over_all_questions_of_an_arm() -> None:
    details: dict[str, Any] = {
        key(0, item, image): {"aspects": [["count", 0.25 * item], ["color", 1.0]] + [["count", 0.5]] * image}
        for item in range(4)
        for image in range(2)
    }
    details |= {key(1, item, image): {"aspects": [["count", 1]]} for item in range(4) for image in range(2)}
    results = with_details(details, arms=2)
    means = aspects(results, "toy")
    counts = [0.25 * item for item in range(4) for _ in range(2)] + [0.5] * 4
    assert means["x"]["count"].value == pytest.approx(sum(counts) / len(counts))
    assert (means["x"]["count"].samples, means["x"]["count"].prompts) == (12, 4)
    assert means["x"]["color"].value == means["y"]["count"].value == 1
    assert list(means["y"]) == ["count"]
    frame = frames(analyse(results)["toy"])["aspects"]
    assert frame[["arm", "aspect", "questions"]].to_numpy().tolist() == [
        ["x", "count", 12],
        ["x", "color", 8],
        ["y", "count", 8],
    ]


def test_the_last_image_alone_counts_if_the_details_say_so() -> None:
    details: dict[str, Any] = {
        key(0, item, image): {"aspects": [["count", float(image)]], LAST_IMAGE_ONLY: True}
        for item in range(4)
        for image in range(2)
    }
    (mean,) = aspects(with_details(details), "toy")["x"].values()
    assert (mean.value, mean.samples) == (1, 4)


def test_a_benchmark_without_aspects_has_none_and_its_details_are_not_read() -> None:
    read: list[str] = []
    results = replace(run({"x": np.ones((40, 2))}), details=lambda name: read.append(name) or {})  # type: ignore[func-returns-value]
    assert aspects(results, "toy") == {}
    assert len(read) == 1


values = st.recursive(st.none() | st.text() | st.floats() | st.integers(), lambda inner: st.lists(inner, max_size=3))


@given(st.lists(values | st.tuples(st.text(), st.floats()).map(list), max_size=5) | values)
def test_odd_details_are_no_aspects(listed: Any) -> None:
    details = {key(0, item, image): {"aspects": listed} for item in range(4) for image in range(2)}
    for means in aspects(with_details(details), "toy").values():
        assert all(np.isnan(mean.value) or 0 <= mean.value <= 1 for mean in means.values())
