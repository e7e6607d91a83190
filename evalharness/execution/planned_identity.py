"""Compares a worker's model or scorer with the one of the plan, under whose identity its results are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalharness._util.hashing import canonical
from evalharness.api.executor import Worker
from evalharness.errors import WeightsError


class CheckedWorker:
    """A worker whose identity is checked before and after its weights are loaded.

    Args:
        check: Checks the identity.
        worker: The worker.
        load: Loads the weights before the first batch, and returns whether it did. ``None`` if only a batch does.
    """

    def __init__(
        self, check: Callable[[], None], worker: Worker[Any, Any], load: Callable[[], bool] | None = None
    ) -> None:
        self._check, self._worker, self._load = check, worker, load
        self._checked = False

    def load(self) -> bool:
        """Load the weights, if the worker can do so before its first batch; returns whether it did."""
        if self._load is None:
            return False
        self._check()
        loaded = self._load()
        self._check()
        self._checked = loaded
        return loaded

    def __call__(self, jobs: Sequence[Any], /) -> Sequence[Any]:
        if self._checked:
            return self._worker(jobs)
        self._check()
        results = self._worker(jobs)
        self._check()
        self._checked = True
        return results


def require_planned(planned: Mapping[str, Any], present: Mapping[str, Any], label: str) -> None:
    """Check that an identity is the one of the plan.

    Args:
        planned: The identity in the plan.
        present: The present identity.
        label: Names the plugin.

    Raises:
        WeightsError: They differ.
    """
    if canonical(dict(planned)) != canonical(dict(present)):
        raise WeightsError(
            f"{label}: {_difference(planned, present)!r} of its identity is not what was planned: files changed after "
            "the start, or are others on this machine; run again"
        )


def _difference(planned: Mapping[str, Any], present: Mapping[str, Any]) -> str:
    """The path of the first part that differs."""
    for name in (*planned, *present):
        before, now = planned.get(name), present.get(name)
        if canonical(before) == canonical(now):
            continue
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            return f"{name}.{_difference(before, now)}"
        return name
    return "identity"
