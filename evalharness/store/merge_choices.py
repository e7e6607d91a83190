"""Decides which results of a store a merge takes, and which of them contradict those that the target has.

A key contains everything that a result should depend on. Two stores with different results under one key therefore
contradict each other: a device computes otherwise, a judge answered otherwise, or a plugin changed without saying so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Generic, TypeVar

from evalharness._util.chunking import chunks
from evalharness.store.replies import ReplyOrigin
from evalharness.store.store import Store
from evalharness.store.trajectories import StoredStep, StoredTrajectory
from evalharness.types.reply import Reply
from evalharness.types.score import Score

T = TypeVar("T")
BATCH_SIZE = 200
"""Results that are compared at a time."""
EXAMPLES = 3
"""Number of conflicts that a message shows."""


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """What is done with a result of the source.

    Attributes:
        taken: Whether it is copied into the target.
        conflict: How it contradicts the target's, in a few words; empty if it does not.
        new: Whether it is more than an older copy of what the target has.
    """

    key: str
    result: T
    taken: bool
    conflict: str = ""
    new: bool = True


@dataclass
class Conflicts:
    """Numbers of results that contradict each other, by kind, and the first of them in words."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, choice: Choice[Any]) -> None:
        if choice.conflict:
            self.counts[kind] += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(f"{kind} {choice.key[:12]}…: {choice.conflict}")

    def __str__(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in self.counts.items()) + f" ({'; '.join(self.examples)})"


def trajectory_choices(source: Store, into: Store, *, take: bool) -> Iterator[list[Choice[dict[str, Any]]]]:
    """Choose among the trajectories, in batches. One that only goes further replaces its beginning.

    Args:
        take: Whether the source wins where the stores contradict each other.
    """
    for rows in chunks(source.trajectories.all(), BATCH_SIZE):
        existing = into.trajectories.get(key for key, _ in rows)
        choices = []
        for key, row in rows:
            present = existing.get(key)
            conflict = "" if present is None else _differing_step(row["steps"], present.steps)
            taken = take if conflict else _goes_further(row, present)
            choices.append(Choice(key, row, taken, conflict))
        yield choices


def score_choices(source: Store, into: Store, *, take: bool) -> Iterator[list[Choice[tuple[str, Score]]]]:
    """Choose among the scores, in batches; a result is a score with the digest of its image.

    Of two that agree the older one stays: its time says what was known when a comparison was declared.
    """
    for rows in chunks(source.scores.all(), BATCH_SIZE):
        keys = sorted(key for key, *_ in rows)
        existing, made = into.scores.get(keys), {key: time for key, *_, time in into.scores.values(keys)}
        choices = []
        for key, image, score in rows:
            present = existing.get(key)
            differs = present is not None and present.value != score.value
            conflict = f"{present.value:g} against {score.value:g}" if present is not None and differs else ""
            older = _made(score) < (made.get(key) or 0)
            taken = take if conflict else present is None or older
            choices.append(Choice(key, (image, score), taken, conflict, new=present is None or bool(conflict)))
        yield choices


def reply_choices(source: Store, into: Store, *, take: bool) -> Iterator[Choice[list[tuple[ReplyOrigin, Reply]]]]:
    """Choose among the replies; those of a key are copied all, or not at all."""
    for key, rows in groupby(source.replies.all(), key=lambda row: row[0]):
        replies = [(origin, reply) for _, origin, reply in rows]
        present = into.replies.get(key)
        texts = [(ours.text, theirs.text) for ours, (_, theirs) in zip(present, replies, strict=False)]
        conflict = next((f"{ours[:40]!r} against {theirs[:40]!r}" for ours, theirs in texts if ours != theirs), "")
        yield Choice(key, replies, take if conflict else not present, conflict)


def find_conflicts(source: Store, into: Store) -> Conflicts:
    """Find all results of a store that contradict those of another."""
    conflicts = Conflicts()
    for trajectories in trajectory_choices(source, into, take=False):
        for trajectory in trajectories:
            conflicts.add("trajectories", trajectory)
    for scores in score_choices(source, into, take=False):
        for score in scores:
            conflicts.add("scores", score)
    for reply in reply_choices(source, into, take=False):
        conflicts.add("replies", reply)
    return conflicts


def _made(score: Score) -> float:
    """When a score was made, in seconds since 1970; never, if that is not recorded."""
    return math.inf if score.origin is None else score.origin.made


def _goes_further(row: dict[str, Any], existing: StoredTrajectory | None) -> bool:
    if existing is None:
        return True
    return not existing.covers(None) and (row["finished"] or not existing.covers(row["cap"]))


def _differing_step(theirs: Sequence[dict[str, Any]], ours: Sequence[StoredStep]) -> str:
    """The first step that two trajectories do not have in common, though both are that long."""
    for step, present in zip(theirs, ours, strict=False):
        for name in ("kind", "iteration", "text", "image", "seed"):
            if step[name] != getattr(present, name):
                return f"another {name} in step {present.kind} {present.iteration}"
    return ""
