"""How long a trajectory is expected to take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evalharness._util.hashing import canonical, digest
from evalharness.planning.plan import Job, Plan
from evalharness.store.store import Store


def expected_seconds(plan: Plan, store: Store, alias: str, model: Any) -> Callable[[Job], float]:
    """By the store's own averages, else by what the model says of itself, else as if an iteration took a second."""
    averages = store.took(digest(dict(plan.models[alias])))
    estimate = getattr(model, "estimate", None)

    def seconds(job: Job) -> float:
        _, iterations, total, _ = averages.get(canonical(job.variant.key()), (0, 0, 0.0, 0.0))
        if iterations and total:
            return total / iterations * (job.cap or 1)
        return float(estimate(job.variant)) if estimate is not None else float(job.cap or 1)

    return seconds
