"""What a sweep file declared beforehand: confirmatory contrasts and trends, as its resolved form (JSON) has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness.analysis.arms import baseline, records
from evalharness.store.results import Results

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DeclaredTrend:
    arms: tuple[str, ...]
    over: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Declared:
    """``pairs``: all contrasts, (arm, other), those with the baseline first; ``confirmatory``: those declared."""

    pairs: tuple[Pair, ...]
    confirmatory: frozenset[Pair]
    trends: tuple[DeclaredTrend, ...]
    replicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a recipe → the arms that are trainings of it."""


def declared(results: Results) -> Declared:
    """Of the arms that this run has; a contrast or trend of one that it leaves out is left out too."""
    names = [str(arm) for arm in results.arms["arm"]]
    reference = baseline(results.arms)
    said: Mapping[str, Any] = results.info.get("sweep", {}).get("analysis") or {}
    chosen = [(one["arm"], one["against"]) for one in said.get("confirmatory", ())]
    confirmatory = tuple((arm, other) for arm, other in chosen if arm in names and other in names)
    usual = [(arm, reference) for arm in names if reference is not None and arm != reference]
    trends = tuple(_trend(results, one) for one in said.get("trend", ()) if set(one["arms"]) <= set(names))
    kept = {str(name): tuple(arm for arm in arms if arm in names) for name, arms in said.get("replicates", {}).items()}
    replicates = {name: arms for name, arms in kept.items() if arms}
    return Declared(tuple(dict.fromkeys([*usual, *confirmatory])), frozenset(confirmatory), trends, replicates)


def _trend(results: Results, said: Mapping[str, Any]) -> DeclaredTrend:
    settings = {row["arm"]: json.loads(row["settings"]) for row in records(results.arms)}
    ordered = sorted(said["arms"], key=lambda arm: settings[arm][said["over"]])
    return DeclaredTrend(tuple(ordered), said["over"], tuple(float(settings[arm][said["over"]]) for arm in ordered))
