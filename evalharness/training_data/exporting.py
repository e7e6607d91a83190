"""Exports a run's trajectories: one Parquet file in the format of the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalharness._util.chunking import chunks
from evalharness._util.hashing import digest
from evalharness.planning.plan import Plan
from evalharness.store.states import SampleState
from evalharness.store.store import Store
from evalharness.store.trajectories import StoredTrajectory
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.records import FORMAT, Record, write_shard
from evalharness.types.trajectory import Trajectory

BATCH = 64
"""Records per row group."""
KINDS = {"process": "process", "text_cot": "think"}
"""Variant → kind of record; all others are ``draw``."""


def records_of(plan: Plan, store: Store, states: Sequence[SampleState]) -> Iterator[Record]:
    """The drawn samples of a plan as records; their graphs are empty."""
    stored = store.trajectories.get(state.sample.job for state in states)
    return (_record(plan, store, state, stored[state.sample.job]) for state in states)


def export(plan: Plan, store: Store, states: Sequence[SampleState], folder: Path) -> None:
    """Write drawn samples of a plan as ``shard-00000.parquet``; their graphs are empty."""
    write_shard(folder / "shard-00000.parquet", chunks(records_of(plan, store, states), BATCH))


def _record(plan: Plan, store: Store, state: SampleState, stored: StoredTrajectory) -> Record:
    sample = state.sample
    steps = stored.prefix(sample.arm.cap)
    finished = stored.finished and len(steps) == len(stored.steps)
    variant = sample.arm.variant
    provenance = {
        "sweep": plan.sweep.name, "arm": sample.arm.name, "benchmark": sample.benchmark, "item": sample.item.id,
        "seed_index": sample.seed_index, "seed": sample.seed, "model": digest(dict(plan.models[sample.arm.model])),
        "variant": variant.model_dump(mode="json"), "score": None if state.score is None else state.score.value,
    }  # fmt: skip
    return Record(
        id=f"{sample.benchmark}-{sample.item.id}-{sample.seed_index}",
        kind=KINDS.get(variant.variant, "draw"),
        prompt=sample.item.prompt,
        category=sample.item.category,
        metadata=sample.item.metadata,
        graph=SceneGraph(()),
        trajectory=Trajectory(store.trajectories.with_images(steps), finished),
        provenance=provenance,
        format=plan.families[sample.arm.family].format or FORMAT,
    )
