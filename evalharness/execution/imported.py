"""Facts and warnings for the report about images that existed already and were not drawn."""

from __future__ import annotations

from typing import Any

from evalharness._util.hashing import digest
from evalharness.planning.plan import Plan
from evalharness.store.states import sample_states
from evalharness.store.store import Store

QUOTED_REASONS = 3
"""Number of reasons that a warning about unusable images quotes."""


def imported_images(plan: Plan, store: Store) -> dict[str, Any]:
    """Count the images of all models that are image sources.

    Returns:
        JSON: ``images``, by model, with the number of files, the number wanted and one digest over all; ``warnings``,
        lines. Empty if no model is an image source.
    """
    info: dict[str, Any] = {"images": {}, "warnings": []} if plan.surveys else {}
    for alias, survey in plan.surveys.items():
        sources = [job.source for job in plan.jobs.values() if job.model == alias and job.source]
        digests = sorted(source.digest for source in sources if source.digest)
        info["images"][alias] = {"files": len(digests), "wanted": len(sources), "digest": digest(digests)}
        info["warnings"] += [f"{alias}: {warning}" for warning in [*survey, *_unusable(plan, store, alias)]]
    return info


def _unusable(plan: Plan, store: Store, alias: str) -> list[str]:
    """A line about files that exist but could not be read as images, if there are any."""
    reasons: dict[str, str] = {}
    for state in sample_states(plan, store):
        source = plan.jobs[state.sample.job].source
        if state.sample.arm.model == alias and state.steps is None and state.failure and source and source.digest:
            reasons[state.sample.job] = state.failure.reason
    if not reasons:
        return []
    quoted = "; ".join(list(reasons.values())[:QUOTED_REASONS])
    return [f"{len(reasons)} images could not be used: {quoted}{'; …' if len(reasons) > QUOTED_REASONS else ''}"]
