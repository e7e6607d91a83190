"""What a sweep declares of its analysis, by content: which arms are compared on which prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalharness._util.hashing import digest
from evalharness.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared contrast, trend or group of replicates on a benchmark.

    Attributes:
        kind: ``contrast``, ``trend`` or ``replicates``.
        arms: their names in the sweep file, in the order that was declared.
        digest: of the benchmark, its prompts and the arms' models and settings. Names of arms are no part of it, nor
            are the scorer and the number of prompts: a trial declares what the whole run declares.
    """

    kind: str
    benchmark: str
    arms: tuple[str, ...]
    digest: str


def declarations(plan: Plan) -> Iterator[Declaration]:
    """All that the plan's sweep declares, on each of its benchmarks."""
    analysis = plan.sweep.analysis
    declared: list[tuple[str, tuple[str, ...], Any]] = [
        *(("contrast", (contrast.arm, contrast.against), None) for contrast in analysis.contrasts),
        *(("trend", trend.arms, trend.over) for trend in analysis.trends),
        *(("replicates", group.arms, None) for group in analysis.replicates),
    ]
    arms = _arms(plan) if declared else {}
    for name, planned in plan.benchmarks.items():
        prompts = [planned.facts.plugin, planned.facts.prompts.digest]
        for kind, members, over in declared:
            content = ["declaration", kind, prompts, [arms[arm] for arm in members], over]
            yield Declaration(kind, name, members, digest(content))


def _arms(plan: Plan) -> Mapping[str, Any]:
    """The identity of each arm's model, and the settings of its variant."""
    return {
        arm.name: [dict(plan.models.get(arm.model, {"alias": arm.model})), arm.variant.key(), arm.cap]
        for arm in plan.sweep.arms
    }
