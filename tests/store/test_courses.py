"""Columns of steps against adding them up one by one."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.store.store import StoredStep, StoredTrajectory, final_image
from evalharness.store.trajectory_columns import NEVER, TrajectoryColumns

step = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["plan", "sketch"]),
        "text": st.text(st.characters(exclude_categories=["Cs"])),
        "image": st.none() | st.text("0123456789abcdef", min_size=8, max_size=8),
        "seed": st.none() | st.integers(0, 2**63 - 1),
        "evaluations": st.integers(0, 1000),
        "tokens": st.integers(0, 10**6),
        "seconds": st.floats(0, 1e4),
    },
    optional={"dollars": st.floats(0, 10)},
)


@st.composite
def trajectories(draw: st.DrawFn) -> list[dict[str, Any]]:
    steps = draw(st.lists(step, max_size=12))
    rises = sorted(draw(st.lists(st.integers(0, 5), min_size=len(steps), max_size=len(steps))))
    return [one | {"iteration": iteration} for one, iteration in zip(steps, rises, strict=True)]


@settings(deadline=None)  # Arrow is imported by the first
@given(st.lists(trajectories(), min_size=1, max_size=5), st.booleans())
def test_prefixes_are_those_of_the_steps(courses: list[list[dict[str, Any]]], escaped: bool) -> None:
    found = TrajectoryColumns([json.dumps(steps, ensure_ascii=escaped) for steps in courses])
    caps = (0, 1, 3, 5, 9, None)
    asked = [(row, cap) for row in range(len(courses)) for cap in caps]
    ends = found.ends(
        np.array([row for row, _ in asked]), np.array([NEVER if cap is None else cap for _, cap in asked])
    )
    for place, (row, cap) in enumerate(asked):
        prefix = StoredTrajectory(tuple(StoredStep(**one) for one in courses[row]), True, None).prefix(cap)
        assert ends.images[place] == final_image(prefix)
        assert ends.iterations[place] == max((one.iteration for one in prefix), default=0)
        for name, values in ends.costs.items():
            assert values[place] == sum(getattr(one, name) for one in prefix), "to the last bit"


@pytest.mark.parametrize("text", ["", "nonsense", '[{"iteration": "one"}]', "null", "3", '[]}\n{"steps":[]'])
def test_damage_is_an_error(text: str) -> None:
    with pytest.raises(sqlite3.DatabaseError, match="the steps of a trajectory"):
        TrajectoryColumns(["[]", text])


def test_nothing_is_nothing() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert TrajectoryColumns([]).ends(empty, empty).images == []
    assert TrajectoryColumns(["[]"]).ends(np.array([0]), np.array([3])).images == [None]
