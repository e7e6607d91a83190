"""The formats of trajectories whose settings name none: a model's default, which the store alone could not tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalharness._util.hashing import digest
from evalharness.planning.plan import Plan
from evalharness.store.store import Store

RUN_NAME = "formats of trajectories"
"""The name in the table ``runs``: digest of a model's identity and a variant's settings → name of the format."""
UNNAMED = "formats without names"
"""The name in the table ``runs`` under which the store keeps the models whose keys do not name the default format."""


def record_formats(plan: Plan, store: Store) -> None:
    """Record in which formats a plan's models speak where its arms name none."""
    known = store.runs.get(RUN_NAME)
    present = dict(known)
    for arm in plan.sweep.arms:
        spoken, settings = plan.families[arm.family].format, arm.variant.key()
        if spoken is not None and settings.get("format") is None:
            present[_place(digest(dict(plan.models[arm.model])), settings)] = spoken
    if present != known:
        store.runs.put(RUN_NAME, present)


class StoredFormats:
    """The formats of a store's trajectories."""

    def __init__(self, store: Store) -> None:
        self._known, self._defaults = store.runs.get(RUN_NAME), store.runs.get(UNNAMED)

    def of(self, model: str, settings: Mapping[str, Any]) -> str | None:
        """The format of a trajectory; ``None`` if it has none, or if an earlier version did not record it.

        Args:
            model: Digest of the model's identity.
            settings: Those of the variant.
        """
        if settings.get("format") is not None or "format" not in settings:
            return settings.get("format")
        return self._known.get(_place(model, settings)) or self._defaults.get(model)


def _place(model: str, settings: Mapping[str, Any]) -> str:
    return digest([model, dict(settings)])
