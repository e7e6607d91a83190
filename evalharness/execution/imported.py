"""What a report must say of images that were not drawn but found."""

from __future__ import annotations

from typing import Any

from evalharness._util.hashing import digest
from evalharness.api.model import ImageSource
from evalharness.planning.plan import Plan
from evalharness.store.states import sample_states
from evalharness.store.store import Store


def imported_images(plan: Plan, store: Store) -> dict[str, Any]:
    """``images``: for each model that fetches, how many it has and one digest over them; ``warnings``: lines."""
    built = {alias: spec.build() for alias, spec in plan.sweep.models.items()}
    image_sources = {alias: model for alias, model in built.items() if isinstance(model, ImageSource)}
    info: dict[str, Any] = {"images": {}, "warnings": []} if image_sources else {}
    for alias, model in image_sources.items():
        sources = {job.key: job.source for job in plan.jobs.values() if job.model == alias and job.source}
        found = sorted(source.digest for source in sources.values() if source.digest)
        info["images"][alias] = {"files": len(found), "wanted": len(sources), "digest": digest(found)}
        own = {(one.benchmark, one.item.id, one.seed_index): one for one in plan.samples if one.arm.model == alias}
        wanted = [(one.item, one.seed_index) for one in own.values()]
        lines = [*model.survey(wanted, _known(plan)), *_failures(plan, store, alias)]
        info["warnings"] += [f"{alias}: {line}" for line in lines]
    return info


def _known(plan: Plan) -> list[tuple[Any, int]]:
    return [
        (item, index)
        for planned in plan.benchmarks.values()
        for item in planned.benchmark.items()
        for index in range(planned.samples)
    ]


def _failures(plan: Plan, store: Store, alias: str) -> list[str]:
    """Why files that are there could not be fetched."""
    failed = {
        one.sample.job: one.failure
        for one in sample_states(plan, store)
        if one.sample.arm.model == alias and one.steps is None and one.failure
    }
    reasons = [
        reason for key, reason in failed.items() if (source := plan.jobs[key].source) is not None and source.digest
    ]
    if not reasons:
        return []
    return [f"{len(reasons)} images could not be used: {'; '.join(reasons[:3])}{'; …' if len(reasons) > 3 else ''}"]
