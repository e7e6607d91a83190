"""Columns of steps against prefixes of step objects."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.store.trajectories import StoredStep, StoredTrajectory
from evalharness.store.trajectory_columns import NO_CAP, TrajectoryColumns

step = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["plan", "sketch", "refine"]),
        "text": st.text(st.characters(exclude_categories=["Cs"])),
        "image": st.none() | st.text("0123456789abcdef", min_size=8, max_size=8),
        "seed": st.none() | st.integers(0, 2**63 - 1),
        "evaluations": st.integers(0, 1000),
        "tokens": st.integers(0, 10**6),
        "seconds": st.floats(0, 1e4),
    },
    optional={"dollars": st.floats(0, 10), **dict.fromkeys(("continued", "cut", "transparent"), st.booleans())},
)


@st.composite
def trajectories(draw: st.DrawFn) -> list[dict[str, Any]]:
    steps = draw(st.lists(step, max_size=12))
    iterations = sorted(draw(st.lists(st.integers(0, 5), min_size=len(steps), max_size=len(steps))))
    return [step | {"iteration": iteration} for step, iteration in zip(steps, iterations, strict=True)]


@settings(deadline=None)  # Arrow is imported by the first
@given(st.lists(trajectories(), min_size=1, max_size=5), st.booleans())
def test_prefixes_are_those_of_the_steps(stored: list[list[dict[str, Any]]], escaped: bool) -> None:
    columns = TrajectoryColumns([json.dumps(steps, ensure_ascii=escaped) for steps in stored])
    requests = [(row, cap) for row in range(len(stored)) for cap in (0, 1, 3, 5, 9, None)]
    rows = np.array([row for row, _ in requests])
    prefixes = columns.prefixes(rows, np.array([NO_CAP if cap is None else cap for _, cap in requests]))
    for place, (row, cap) in enumerate(requests):
        prefix = StoredTrajectory(tuple(StoredStep(**step) for step in stored[row]), True, None).prefix(cap)
        drawings = [step for step in prefix if step.image is not None]
        images = [step.image for step in drawings]
        assert prefixes.lengths[place] == len(prefix)
        assert prefixes.images[place] == (images[-1] if images else None)
        assert prefixes.iterations[place] == max((step.iteration for step in prefix), default=0)
        assert prefixes.transparent[place] == (drawings[-1].transparent if drawings else False)
        assert prefixes.refinements[place] == sum(step.kind == "refine" for step in drawings)
        assert prefixes.continued[place] == any(step.continued for step in prefix)
        assert prefixes.cut[place] == any(step.cut for step in prefix)
        for name, values in prefixes.costs.items():
            assert values[place] == sum(getattr(step, name) for step in prefix), "to the last bit"


@pytest.mark.parametrize("text", ["", "nonsense", '[{"iteration": "one"}]', "null", "3", '[]}\n{"steps":[]'])
def test_damage_is_an_error(text: str) -> None:
    with pytest.raises(sqlite3.DatabaseError, match="the steps of a trajectory"):
        TrajectoryColumns(["[]", text])


def test_nothing_is_nothing() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert TrajectoryColumns([]).prefixes(empty, empty).images == []
    assert TrajectoryColumns(["[]"]).prefixes(np.array([0]), np.array([3])).images == [None]
