"""States and frame of samples, read as columns, against the stored objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from mock_sweeps import SWEEP, draw_and_score

from evalharness.config import sweep_files
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.planning.subsets import resize
from evalharness.store.failures import StoredFailure
from evalharness.store.results import SAMPLE_COLUMNS
from evalharness.store.sample_columns import SampleColumns
from evalharness.store.states import sample_states, sample_states_in_parts
from evalharness.store.store import Store

Write = Callable[[str], Path]

TROUBLED = SWEEP.replace(
    "{name: mock, limit: 6, samples: 1}",
    "{name: mock, samples: 2, prompts: [a, b, broken c, unscorable d, unspeakable e, f, g]}",
).replace("model: mock", "model: {name: mock, fails: [broken], refuses: [unspeakable]}")


def compare(plan: Plan, store: Store) -> set[str]:
    """Compare states and frame with the stored objects, sample by sample; returns the states that occur."""
    frame = SampleColumns(plan, store, plan.samples).frame()
    assert tuple(frame.columns) == SAMPLE_COLUMNS
    states = sample_states(plan, store)
    assert [state for part in sample_states_in_parts(plan, store, 3) for state in part] == states
    assert len(frame) == len(states)
    for row, state in zip(frame.to_dict("records"), states, strict=True):
        sample = state.sample
        stored = store.trajectories.get([sample.job]).get(sample.job)
        covered = stored is not None and stored.covers(sample.arm.cap)
        steps = stored.prefix(sample.arm.cap) if stored is not None and covered else ()
        image = next((step.image for step in reversed(steps) if step.image is not None), None)
        key = None if image is None else plan.benchmarks[sample.benchmark].score_key(image, sample.item)
        score = None if key is None else store.scores.get([key]).get(key)
        failures = store.failures.get([sample.job if key is None else key])
        failure = next((failure for failure in failures.values() if failure.concerns(sample.arm.cap)), None)
        if covered and image is None:
            failure = StoredFailure("the model drew no image")
        assert (state.steps, state.image) == (len(steps) if covered else None, image)
        assert (state.score_key, state.score, state.failure) == (key, score, failure)
        expected = "generated" if covered else "pending"
        if score is not None:
            expected = "scored"
        elif failure is not None:
            expected = "failed"
        assert row["state"] == state.state == expected
        assert (row["arm"], row["item"], row["seed_index"]) == (sample.arm.name, sample.item.id, sample.seed_index)
        assert row["reason"] == (score.reason if score else failure.reason if failure else "")
        assert (row["image"] if isinstance(row["image"], str) else None) == image
        assert row["score"] == score.value if score else math.isnan(row["score"])
        assert isinstance(row["trajectory"], str) == covered
        assert (row["score_key"] if isinstance(row["score_key"], str) else None) == (key if score else None)
        assert row["evaluations"] == sum(step.evaluations for step in steps)
        assert row["iterations"] == max((step.iteration for step in steps), default=0)
        assert row["seconds"] == sum(step.seconds for step in steps)
    return set(frame["state"])


def test_after_a_run_with_troubles(sweep_file: Write, tmp_path: Path) -> None:
    file = sweep_file(TROUBLED)
    draw_and_score(file, tmp_path / "r" / "x")
    sweep = sweep_files.load(file)
    with Store(tmp_path / "r" / "store", write=False) as store:
        assert compare(make_plan(sweep), store) == {"scored", "failed"}
        assert compare(make_plan(resize(sweep, samples=3)), store) == {"scored", "failed", "pending"}


def test_before_anything_was_drawn(sweep_file: Write, tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        assert compare(make_plan(sweep_files.load(sweep_file(SWEEP))), store) == {"pending"}
