"""Copies into a store what other stores have and it lacks: shards, stores of other machines, or of parallel processes.

A merge is whole or does not happen: all rows of all sources are one transaction. Images are written before it ends;
those of a merge that is killed stay as files that no row names.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from evalharness._util.chunking import chunks
from evalharness._util.hashing import canonical
from evalharness.api.failure import Failure
from evalharness.errors import StoreError
from evalharness.store import declarations, spoken_formats
from evalharness.store.annotations import Annotation, Place, of_store, put_annotations
from evalharness.store.database import FILE, as_store_error
from evalharness.store.images import DamagedImageError
from evalharness.store.merge_choices import (
    BATCH_SIZE,
    Choice,
    Conflicts,
    find_conflicts,
    reply_choices,
    score_choices,
    trajectory_choices,
)
from evalharness.store.schema import SCHEMA_VERSION
from evalharness.store.store import Store
from evalharness.store.trajectories import StoredStep
from evalharness.types.trajectory import Trajectory

OnConflict: TypeAlias = Literal["keep", "take"]


@dataclass
class Merged:
    """Numbers of copied rows. ``damaged`` counts trajectories left out because an image is damaged or missing."""

    trajectories: int = 0
    scores: int = 0
    replies: int = 0
    failures: int = 0
    annotations: int = 0
    damaged: int = 0


def merge_stores(
    sources: Sequence[Path], into: Path, on_conflict: OnConflict | None = None
) -> dict[Path, tuple[Merged, Conflicts]]:
    """Add to a store what others have and it lacks: all of it, or nothing.

    A failure is copied if the store has nothing under its key. The replies of a key are copied all, or not at all. Of
    two verdicts of a person on an image, the target's stays unless ``on_conflict`` is ``take``.

    Args:
        on_conflict: Which result stays where the stores contradict each other: the target's, or that of the source.

    Raises:
        StoreError: A store cannot be read or written, or there is a conflict and ``on_conflict`` is ``None``.
        ConfigError: The annotations of a store are damaged.
    """
    existed = into.exists()
    with Store(into) as target, contextlib.ExitStack() as undo:
        # Whether the store is new is known once it is locked: another process may have made it since. What a merge that
        # fails has written is removed before the lock is released, so that it is never another process's.
        if not existed and target.database.empty:
            undo.callback(target.database.discard)
        merged = _merge_all(sources, target, on_conflict, undo)
        undo.pop_all()
    return merged


def _merge_all(
    sources: Sequence[Path], target: Store, on_conflict: OnConflict | None, undo: contextlib.ExitStack
) -> dict[Path, tuple[Merged, Conflicts]]:
    """Merge in one transaction; ``undo`` receives what removes the files that are written beside it."""
    into, new_images = target.path, set[Path]()
    undo.callback(_remove, new_images)
    before = of_store(into)
    annotations = {annotation.place: annotation for annotation in before}
    merged = {}
    with target.database.transaction():
        for path in sources:
            with opened_source(path) as source:
                conflicts = find_conflicts(source, target)
                if conflicts.counts and on_conflict is None:
                    raise StoreError(
                        f"{path} contradicts {into}: {conflicts}; nothing is merged, "
                        "choose --on-conflict keep or --on-conflict take"
                    )
                copied = _merge(source, target, new_images, take=on_conflict == "take")
                copied.annotations = _merge_annotations(path, annotations, take=on_conflict == "take")
                merged[path] = copied, conflicts
        if list(annotations.values()) != before:
            undo.callback(put_annotations, into, before)
            put_annotations(into, annotations.values())
    return merged


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def opened_source(path: Path) -> Iterator[Store]:
    """Open a store to read; one of an earlier version is upgraded in a copy of its rows, and stays as it is."""
    with Store(path, write=False) as store:
        if store.database.version == SCHEMA_VERSION:
            yield store
            return
        with tempfile.TemporaryDirectory(prefix="evalharness-") as temporary:
            folder = Path(temporary)
            with as_store_error(path), contextlib.closing(sqlite3.connect(folder / FILE)) as copy:
                store.database.connection.backup(copy)
            for name in ("images", "failures"):
                (folder / name).symlink_to((path / name).absolute(), target_is_directory=True)
            with Store(folder) as upgraded:
                yield upgraded


def _merge(source: Store, into: Store, new_images: set[Path], *, take: bool) -> Merged:
    """Copy rows and images; ``new_images`` receives the files that are new."""
    merged = Merged()
    for choices in trajectory_choices(source, into, take=take):
        _merge_trajectories(choices, source, into, merged, new_images)
    _merge_scores(source, into, merged, take=take)
    _merge_replies(source, into, merged, take=take)
    _merge_failures(source, into, merged)
    for rows in chunks(source.features.all(), BATCH_SIZE):
        into.features.copy(rows)
    existing = into.runs.all()
    for run, info in source.runs.all().items():
        if run == declarations.RUN_NAME:
            into.runs.put(run, declarations.earliest(existing.get(run, {}), info))
        elif run == spoken_formats.RUN_NAME:
            into.runs.put(run, info | existing.get(run, {}))
        elif run not in existing:
            into.runs.put(run, info)
    return merged


def _merge_annotations(source: Path, into: dict[Place, Annotation], *, take: bool) -> int:
    """Add the annotations of a source; returns how many are new."""
    count = len(into)
    for annotation in of_store(source):
        if take or annotation.place not in into:
            into[annotation.place] = annotation
    return len(into) - count


def _merge_trajectories(
    choices: Sequence[Choice[dict[str, Any]]], source: Store, into: Store, merged: Merged, new_images: set[Path]
) -> None:
    rows: dict[str, dict[str, Any]] = {}
    trajectories: dict[str, Trajectory] = {}
    for choice in choices:
        if choice.taken:
            row = rows[choice.key] = choice.result
            try:
                steps = source.trajectories.with_images(StoredStep(**step) for step in row["steps"])
                trajectories[choice.key] = Trajectory(steps, row["finished"], row["origin"], row["earlier"])
            except DamagedImageError:
                merged.damaged += 1
    digests = {step["image"] for key in trajectories for step in rows[key]["steps"] if step["image"] is not None}
    new_images |= {path for path in map(into.images.path, digests) if not path.exists()}
    new_steps = [step for trajectory in trajectories.values() for step in trajectory.steps]
    into.images.prepare(step.image for step in new_steps if step.image is not None)
    for key, trajectory in trajectories.items():
        row = rows[key]
        into.trajectories.add(
            key,
            trajectory,
            model=row["model"],
            variant=canonical(row["variant"]),
            prompt=row["prompt"],
            seed=row["seed"],
            cap=row["cap"],
        )
        merged.trajectories += 1


def _merge_scores(source: Store, into: Store, merged: Merged, *, take: bool) -> None:
    for choices in score_choices(source, into, take=take):
        for choice in choices:
            if choice.taken:
                into.scores.add(choice.key, *choice.result)
                merged.scores += choice.new


def _merge_replies(source: Store, into: Store, merged: Merged, *, take: bool) -> None:
    for choice in reply_choices(source, into, take=take):
        if choice.taken:
            into.replies.delete(choice.key)
            for origin, reply in choice.result:
                into.replies.put(choice.key, origin, reply)
                merged.replies += 1


def _merge_failures(source: Store, into: Store, merged: Merged) -> None:
    for rows in chunks(source.failures.all(), BATCH_SIZE):
        keys = [key for key, _ in rows]
        existing = into.trajectories.get(keys).keys() | into.scores.get(keys).keys() | into.failures.get(keys).keys()
        for key, row in rows:
            if key not in existing:
                text = source.failures.traceback(row)
                failure = Failure(
                    row.reason, row.kind, row.exception, text, row.attempt, row.worker, row.host, row.device
                )
                into.failures.add(key, failure, row.cap)
                merged.failures += 1
