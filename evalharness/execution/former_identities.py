"""Gives results of earlier versions the keys that they have now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalharness._util.hashing import digest
from evalharness.execution.plan_judges import judges_with_weights
from evalharness.generation.format_words import unnamed_format
from evalharness.planning.plan import Plan
from evalharness.store.spoken_formats import UNNAMED
from evalharness.store.store import Store


def adopt_former_results(plan: Plan, store: Store) -> list[str]:
    """Change the keys of trajectories and replies that are stored under a former identity.

    Returns:
        A line for each model and judge of which something was found.
    """
    lines = []
    for alias, spec in plan.sweep.models.items():
        model, present = spec.build(), digest(dict(plan.models[alias]))
        default_format = unnamed_format(model)
        formers = list(_former_digests(model, present))
        if default_format is not None and present not in (known := store.runs.get(UNNAMED)):
            formers.append(present)
            store.runs.put(UNNAMED, known | {present: default_format})
        for former in formers:
            if count := store.trajectories.rename_model(former, present, default_format):
                lines.append(f"{count} trajectories of an earlier version are those of model {alias!r}")
    for _, judge, present in judges_with_weights(plan):
        for former in _former_digests(judge, present):
            if count := store.replies.rename_judge(former, present):
                lines.append(f"{count} replies of an earlier version are those of judge {judge.name!r}")
    return lines


def _former_digests(plugin: Any, present: str) -> Iterator[str]:
    for identity in plugin.former_identities():
        former = digest(dict(identity))
        if former != present:
            yield former
