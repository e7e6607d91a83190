"""Loads :class:`~evalharness.store.results.Results`, the tables behind a report, from a plan and a store."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness._util.hashing import digest
from evalharness.api.model_names import asked_model
from evalharness.config.schema import Arm
from evalharness.planning.plan import Plan, PlannedBenchmark
from evalharness.store.annotations import of_store
from evalharness.store.declarations import declaration_facts
from evalharness.store.provenance import circumstances, continued, cut, environments
from evalharness.store.results import ARM_COLUMNS, CHECK_COLUMNS, Judged, Results
from evalharness.store.sample_columns import SampleColumns
from evalharness.store.states import RescoreState, rescore_states, states_of
from evalharness.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.store.features import Vector


def load_results(plan: Plan, store: Store, info: Mapping[str, Any]) -> Results:
    """Load what the store has of a plan.

    Args:
        plan: the samples.
        store: the store; it must stay open as long as the results are used.
        info: times and other facts that are not in the plan.
    """
    import pandas as pd

    columns = SampleColumns(plan, store, plan.samples)
    samples = columns.frame()
    rescored = _rescored(plan, store, columns)
    checks = pd.DataFrame([_check_row(state) for state in rescored], columns=list(CHECK_COLUMNS))
    arms = _arms(plan)
    return Results(
        info={
            **_plan_info(plan, store, samples),
            **_environments(store, columns),
            "declarations": declaration_facts(plan, store, columns),
            **info,
        },
        arms=arms,
        samples=samples,
        steps=_steps(store),
        details=_details(store, rescored),
        image_path=store.images.intact_path,
        checks=checks,
        judged=_judged(plan, store),
        failures=columns.failures,
        features=_features(plan, store),
        annotations=of_store(store.path),
        plan=plan,
    )


def bare_results(plan: Plan, columns: SampleColumns) -> Results:
    """Samples, arms and benchmarks alone, which is quick: for a look at a run in progress."""
    benchmarks = {name: _benchmark_info(name, planned) for name, planned in plan.benchmarks.items()}
    info = {"name": plan.sweep.name, "benchmarks": benchmarks}
    return Results(info, _arms(plan), columns.frame(), lambda key: [], lambda key: {}, Path, plan=plan)


def _arms(plan: Plan) -> pd.DataFrame:
    import pandas as pd

    arms = pd.DataFrame([_arm_row(plan, arm) for arm in plan.sweep.arms], columns=list(ARM_COLUMNS))
    return arms.astype({"max_iterations": "Int64"})


def _environments(store: Store, columns: SampleColumns) -> dict[str, Any]:
    entries = environments(store, columns)
    return {"environments": entries, **circumstances(entries), "continued": continued(columns), "cut": cut(columns)}


def _steps(store: Store) -> Callable[[str], list[dict[str, Any]]]:
    def steps(key: str) -> list[dict[str, Any]]:
        trajectory = store.trajectories.get([key]).get(key)
        return [step.as_dict() for step in trajectory.steps] if trajectory else []

    return steps


def _details(store: Store, rescored: Sequence[RescoreState]) -> Callable[[str], dict[str, Any]]:
    by_score: dict[str | None, list[RescoreState]] = defaultdict(list)
    for state in rescored:
        by_score[state.sample_state.score_key].append(state)

    def details(key: str) -> dict[str, Any]:
        checks = {state.rescoring.name: _check_details(state, store) for state in by_score.get(key, ())}
        return store.scores.details(key) | ({"checks": checks} if checks else {})

    return details


def _judged(plan: Plan, store: Store) -> Callable[[str, str, Sequence[str]], Mapping[str, Judged]]:
    items = {(name, item.id): item for name, planned in plan.benchmarks.items() for item in planned.items}

    def judged(benchmark: str, item: str, images: Sequence[str]) -> Mapping[str, Judged]:
        planned = plan.benchmarks[benchmark]
        keys = {planned.score_key(image, items[benchmark, item]): image for image in images}
        scores = store.scores.get(keys)
        for score in scores.values():
            planned.require_possible(score.value, store.path)
        return {keys[key]: Judged(score.value, score.reason, key) for key, score in scores.items()}

    return judged


def _features(plan: Plan, store: Store) -> Callable[[str, Iterable[str]], Mapping[str, Vector] | None]:
    def features(benchmark: str, images: Iterable[str]) -> Mapping[str, Vector] | None:
        name = plan.encoder(benchmark)
        identity = None if name is None else plan.benchmarks[name].facts.features
        return None if identity is None else store.features.get(identity, images)

    return features


def _rescored(plan: Plan, store: Store, columns: SampleColumns) -> list[RescoreState]:
    """The rescorings; objects are made only for samples whose item is rescored."""
    rescored_items = {
        (name, item)
        for name, planned in plan.benchmarks.items()
        for rescoring in planned.rescorings
        for item in rescoring.items
    }
    if not rescored_items:
        return []
    places = [
        place for place, sample in enumerate(columns.samples) if (sample.benchmark, sample.item.id) in rescored_items
    ]
    return rescore_states(plan, store, states_of(columns, places))


def _check_row(state: RescoreState) -> dict[str, Any]:
    sample, score = state.sample_state.sample, state.sample_state.score
    outcome = "pending"
    if state.score is not None:
        outcome = "scored"
    elif state.failure is not None:
        outcome = "failed"
    return {
        "benchmark": sample.benchmark,
        "check": state.rescoring.name,
        "kind": state.rescoring.kind,
        "arm": sample.arm.name,
        "item": sample.item.id,
        "category": sample.item.category,
        "seed_index": sample.seed_index,
        "image": state.sample_state.image,
        "score": score.value if score else math.nan,
        "other": state.score.value if state.score else math.nan,
        "state": outcome,
        "reason": state.failure.reason if state.failure else "",
    }


def _check_details(state: RescoreState, store: Store) -> dict[str, Any]:
    if state.score is None:
        return {"failed": state.failure.reason} if state.failure else {}
    return {"value": state.score.value, "reason": state.score.reason} | store.scores.details(state.key)


def _arm_row(plan: Plan, arm: Arm) -> dict[str, Any]:
    return {
        "arm": arm.name,
        "model": arm.model,
        "variant": arm.variant.variant,
        "max_iterations": arm.cap,
        "settings": json.dumps(arm.variant.model_dump(mode="json")),
        "baseline": arm.name == plan.sweep.baseline,
    }


def _plan_info(plan: Plan, store: Store, samples: pd.DataFrame) -> dict[str, Any]:
    limits = {
        name: {"items": len(planned.items), "of": planned.of, "seed": plan.sweep.seed}
        for name, planned in plan.benchmarks.items()
        if len(planned.items) < planned.of
    }
    benchmarks = {
        name: _benchmark_info(name, planned) | _spent(store, planned, samples[samples["benchmark"] == name])
        for name, planned in plan.benchmarks.items()
    }
    return {
        "name": plan.sweep.name,
        "description": plan.sweep.description,
        "seed": plan.sweep.seed,
        "sweep": plan.sweep.resolved(),
        "limit": limits or None,
        "benchmarks": benchmarks,
        "models": {alias: dict(identity) for alias, identity in plan.models.items()},
        "literature": [row for row in plan.literature if row["benchmark"] in plan.benchmarks],
    }


def _benchmark_info(name: str, planned: PlannedBenchmark) -> dict[str, Any]:
    facts = planned.facts
    title = facts.title
    if title is not None and name != facts.plugin:  # an alias
        title = f"{name}: {title}"
    texts = {"title": title, "notes": facts.notes, "whole": facts.whole}
    info: dict[str, Any] = {key: text for key, text in texts.items() if text is not None}
    if planned.rescorings:
        info["checks"] = [
            {
                "name": rescoring.name,
                "kind": rescoring.kind,
                "scorer": dict(rescoring.scorer),
                "items": len(rescoring.items),
            }
            for rescoring in planned.rescorings
        ]
    return info | {
        "version": facts.version,
        "prompt_set": facts.prompts.name,
        "prompt_digest": facts.prompts.digest,
        "scorer": dict(planned.scorer),
        "weights": dict(facts.weights),
        "items": len(planned.items),
        "samples": planned.samples,
        "score_range": list(planned.score_range),
    }


def _by_frequency(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _spent(store: Store, planned: PlannedBenchmark, samples: pd.DataFrame) -> dict[str, Any]:
    """Sum up what the judges of a benchmark cost, and which models answered for each.

    A rescoring by the judge of the scorer is not counted twice.
    """
    scorers = [planned.scorer, *(rescoring.scorer for rescoring in planned.rescorings)]
    judged = [scorer for scorer in scorers if {"judge", "rubric"} <= scorer.keys()]
    judges = {(digest(scorer["judge"]), scorer["rubric"]["digest"]): scorer["judge"] for scorer in judged}
    if not judges:
        return {}
    images = set(samples["image"].dropna())
    usages = {key: store.replies.usage(*key, images) for key in judges}
    totals = ("replies", "prompt_tokens", "completion_tokens", "cost")
    return {
        "spent": {name: sum(getattr(usage, name) for usage in usages.values()) for name in totals},
        "judges": [
            {
                "asked": asked_model(judges[key]),
                "replies": usage.replies,
                "answered_by": _by_frequency(usage.models),
                "outcomes": _by_frequency(usage.outcomes),
            }
            for key, usage in usages.items()
        ],
    }
