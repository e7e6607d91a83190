"""The frame says of each sample what its standing says."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from core_fakes import SWEEP

from evalharness.cli import main
from evalharness.config import schema
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.planning.subsets import resize
from evalharness.store import frame as sampleframe
from evalharness.store.results import SAMPLE_COLUMNS
from evalharness.store.states import sample_states
from evalharness.store.store import Store

Write = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("fakes")

TROUBLED = SWEEP.replace(
    "{name: fake, limit: 6, samples: 1}",
    "{name: fake, samples: 2, prompts: [a, b, broken c, unscorable d, unspeakable e, f, g]}",
)


def same(plan: Plan, store: Store) -> set[str]:
    """Compare sample by sample; returns the states that there were."""
    frame = sampleframe.sample_frame(plan, store)
    assert tuple(frame.columns) == SAMPLE_COLUMNS
    found = sample_states(plan, store)
    assert len(frame) == len(found)
    for row, one in zip(frame.to_dict("records"), found, strict=True):
        sample, steps = one.sample, one.steps or ()
        assert (row["arm"], row["item"], row["seed_index"]) == (sample.arm.name, sample.item.id, sample.seed_index)
        assert (row["state"], row["reason"]) == (one.state, one.score.reason if one.score else one.failure or "")
        assert (row["image"] if isinstance(row["image"], str) else None) == one.image
        assert row["score"] == one.score.value if one.score else math.isnan(row["score"])
        assert isinstance(row["trajectory"], str) == (one.steps is not None)
        assert (row["score_key"] if isinstance(row["score_key"], str) else None) == (
            one.score_key if one.score else None
        )
        assert row["evaluations"] == sum(step.evaluations for step in steps)
        assert row["iterations"] == max((step.iteration for step in steps), default=0)
        assert row["seconds"] == sum(step.seconds for step in steps)
    return set(frame["state"])


def test_after_a_run_with_troubles(sweep_file: Write, tmp_path: Path) -> None:
    file = sweep_file(TROUBLED)
    main.main(["sweep", str(file), "--out", str(tmp_path / "r" / "x"), "--quiet"])
    sweep = schema.load(file)
    with Store(tmp_path / "r" / "store", write=False) as store:
        assert same(make_plan(sweep), store) == {"scored", "failed"}
        assert same(make_plan(resize(sweep, samples=3)), store) == {"scored", "failed", "pending"}


def test_before_anything_was_drawn(sweep_file: Write, tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        assert same(make_plan(schema.load(sweep_file(SWEEP))), store) == {"pending"}
