"""From a plan and a store to :class:`~evalharness.results.Results`: the tables that the report works from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from evalharness.plan import Plan
from evalharness.results import ARM_COLUMNS, SAMPLE_COLUMNS, Results
from evalharness.status import Standing, standings
from evalharness.store import Store


def load_results(plan: Plan, store: Store, info: Mapping[str, Any]) -> Results:
    """All that is there of a plan. ``info`` holds what the plan cannot know: versions, hardware, times."""
    import pandas as pd

    samples = pd.DataFrame([_row(one) for one in standings(plan, store)], columns=list(SAMPLE_COLUMNS))
    arms = pd.DataFrame([_arm_row(plan, index) for index in range(len(plan.sweep.arms))], columns=list(ARM_COLUMNS))
    arms["max_iterations"] = arms["max_iterations"].astype("Int64")

    def steps(key: str) -> list[dict[str, Any]]:
        found = store.trajectories([key]).get(key)
        return [step.as_dict() for step in found.steps] if found else []

    return Results({**_plan_info(plan), **info}, arms, samples, steps, store.details, store.image_path)


def _row(one: Standing) -> dict[str, Any]:
    sample, steps = one.sample, one.steps or ()
    return {
        "benchmark": sample.benchmark,
        "arm": sample.arm.name,
        "item": sample.item.id,
        "category": sample.item.category,
        "prompt": sample.item.prompt,
        "seed_index": sample.seed_index,
        "seed": sample.seed,
        "state": one.state,
        "score": one.score.value if one.score else math.nan,
        "reason": one.score.reason if one.score else one.failure or "",
        "image": one.image,
        "trajectory": sample.job if one.steps is not None else None,
        "score_key": one.score_key if one.score else None,
        "iterations": max((step.iteration for step in steps), default=0),
        "evaluations": sum(step.evaluations for step in steps),
        "tokens": sum(step.tokens for step in steps),
        "seconds": sum(step.seconds for step in steps),
    }


def _arm_row(plan: Plan, index: int) -> dict[str, Any]:
    arm = plan.sweep.arms[index]
    return {
        "arm": arm.name,
        "model": arm.model,
        "variant": arm.variant.variant,
        "max_iterations": arm.cap,
        "settings": json.dumps(arm.variant.model_dump(mode="json")),
        "baseline": arm.name == plan.sweep.baseline,
    }


def _plan_info(plan: Plan) -> dict[str, Any]:
    limits = {
        name: {"items": len(protocol.items), "of": protocol.of, "seed": plan.sweep.seed}
        for name, protocol in plan.protocols.items()
        if len(protocol.items) < protocol.of
    }
    return {
        "name": plan.sweep.name,
        "description": plan.sweep.description,
        "seed": plan.sweep.seed,
        "sweep": plan.sweep.resolved(),
        "limit": limits or None,
        "benchmarks": {name: _benchmark_info(plan, name) for name in plan.protocols},
        "models": {alias: dict(identity) for alias, identity in plan.models.items()},
    }


def _benchmark_info(plan: Plan, name: str) -> dict[str, Any]:
    protocol = plan.protocols[name]
    prompts = protocol.benchmark.prompt_set()
    return {
        "version": protocol.benchmark.version,
        "prompt_set": prompts.name,
        "prompt_digest": prompts.digest,
        "scorer": dict(protocol.scorer),
        "weights": dict(protocol.benchmark.weights),
        "items": len(protocol.items),
        "samples": protocol.samples,
    }
