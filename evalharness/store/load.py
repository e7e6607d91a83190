"""From a plan and a store to :class:`~evalharness.store.results.Results`: the tables that the report works from."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalharness._util.hashing import digest
from evalharness.config import literature
from evalharness.planning.plan import Plan, Sample
from evalharness.store.frame import sample_frame
from evalharness.store.results import ARM_COLUMNS, CHECK_COLUMNS, Judged, Results
from evalharness.store.states import RescoreState, SampleState, rescore_states
from evalharness.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


def load_results(plan: Plan, store: Store, info: Mapping[str, Any]) -> Results:
    """All that is there of a plan. ``info`` holds what the plan cannot know: versions, hardware, times."""
    import pandas as pd

    samples = sample_frame(plan, store)
    under_check = _rescore_states(plan, store, samples)
    checks = pd.DataFrame([_check_row(one) for one in under_check], columns=list(CHECK_COLUMNS))
    arms = pd.DataFrame([_arm_row(plan, index) for index in range(len(plan.sweep.arms))], columns=list(ARM_COLUMNS))
    arms["max_iterations"] = arms["max_iterations"].astype("Int64")

    def steps(key: str) -> list[dict[str, Any]]:
        found = store.trajectories([key]).get(key)
        return [step.as_dict() for step in found.steps] if found else []

    own: dict[str | None, list[RescoreState]] = defaultdict(list)
    for one in under_check:
        own[one.sample_state.score_key].append(one)

    def details(key: str) -> dict[str, Any]:
        checked = {one.rescoring.name: _check_details(one, store) for one in own.get(key, ())}
        return store.details(key) | ({"checks": checked} if checked else {})

    about = _plan_info(plan)
    for name, benchmark in about["benchmarks"].items():
        scorers = [benchmark["scorer"], *(check["scorer"] for check in benchmark.get("checks", ()))]
        benchmark |= _spent(store, scorers, samples[samples["benchmark"] == name])
    return Results({**about, **info}, arms, samples, steps, details, store.image_path, checks, _judged(plan, store))


def _judged(plan: Plan, store: Store) -> Callable[[str, str, Sequence[str]], Mapping[str, Judged]]:
    items = {(name, item.id): item for name, planned in plan.benchmarks.items() for item in planned.items}

    def judged(benchmark: str, item: str, images: Sequence[str]) -> Mapping[str, Judged]:
        planned = plan.benchmarks[benchmark]
        keys = {planned.score_key(image, items[benchmark, item]): image for image in images}
        return {keys[key]: Judged(one.value, one.reason, key) for key, one in store.scores(keys).items()}

    return judged


def _rescore_states(plan: Plan, store: Store, samples: pd.DataFrame) -> list[RescoreState]:
    """Of the scored samples alone that a check takes in; without their steps."""
    taken = {
        (name, item)
        for name, planned in plan.benchmarks.items()
        for rescoring in planned.rescorings
        for item in rescoring.items
    }
    if not taken:
        return []
    keys = [key if isinstance(key, str) else None for key in samples["score_key"]]
    scored = {key for sample, key in zip(plan.samples, keys, strict=True) if key and _place(sample) in taken}
    scores = store.scores(scored)
    found = [
        SampleState(sample, (), image, key, scores[key])
        for sample, key, image in zip(plan.samples, keys, samples["image"], strict=True)
        if key in scores
    ]
    return rescore_states(plan, store, found)


def _place(sample: Sample) -> tuple[str, str]:
    return sample.benchmark, sample.item.id


def _spent(store: Store, scorers: list[Mapping[str, Any]], samples: pd.DataFrame) -> dict[str, Any]:
    """``spent``: of the judges among the scorers, all together, those that only repeat one counted with it."""
    judged = [scorer for scorer in scorers if {"judge", "rubric"} <= scorer.keys()]
    judges = {(digest(scorer["judge"]), scorer["rubric"]["digest"]) for scorer in judged}
    if not judges:
        return {}
    images = set(samples["image"].dropna())
    totals = [store.replies.usage(judge, rubric, images) for judge, rubric in sorted(judges)]
    return {"spent": {name: sum(total[name] for total in totals) for name in totals[0]}}


def _check_row(one: RescoreState) -> dict[str, Any]:
    sample, score = one.sample_state.sample, one.sample_state.score
    return {
        "benchmark": sample.benchmark,
        "check": one.rescoring.name,
        "kind": one.rescoring.kind,
        "arm": sample.arm.name,
        "item": sample.item.id,
        "category": sample.item.category,
        "seed_index": sample.seed_index,
        "image": one.sample_state.image,
        "score": score.value if score else math.nan,
        "other": one.score.value if one.score else math.nan,
        "state": "scored" if one.score else "failed" if one.failure else "pending",
        "reason": one.failure or "",
    }


def _check_details(one: RescoreState, store: Store) -> dict[str, Any]:
    if one.score is None:
        return {"failed": one.failure} if one.failure else {}
    return {"value": one.score.value, "reason": one.score.reason} | store.details(one.key)


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
        name: {"items": len(planned.items), "of": planned.of, "seed": plan.sweep.seed}
        for name, planned in plan.benchmarks.items()
        if len(planned.items) < planned.of
    }
    return {
        "name": plan.sweep.name,
        "description": plan.sweep.description,
        "seed": plan.sweep.seed,
        "sweep": plan.sweep.resolved(),
        "limit": limits or None,
        "benchmarks": {name: _benchmark_info(plan, name) for name in plan.benchmarks},
        "models": {alias: dict(identity) for alias, identity in plan.models.items()},
        "literature": [row for row in literature.rows(plan.sweep.literature) if row["benchmark"] in plan.benchmarks],
    }


def _benchmark_info(plan: Plan, name: str) -> dict[str, Any]:
    planned = plan.benchmarks[name]
    benchmark = planned.benchmark
    prompts = benchmark.prompt_set()
    title = benchmark.title()
    if title is not None and name != benchmark.name:  # an alias
        title = f"{name}: {title}"
    texts = {"title": title, "notes": benchmark.notes()}
    more: dict[str, Any] = {key: text for key, text in texts.items() if text is not None}
    if benchmark.needs_all_items:
        more["whole"] = dict(Counter(item.category for item in benchmark.items()))
    if planned.rescorings:
        more["checks"] = [
            {"name": one.name, "kind": one.kind, "scorer": dict(one.scorer), "items": len(one.items)}
            for one in planned.rescorings
        ]
    return more | {
        "version": benchmark.version,
        "prompt_set": prompts.name,
        "prompt_digest": prompts.digest,
        "scorer": dict(planned.scorer),
        "weights": dict(benchmark.weights),
        "items": len(planned.items),
        "samples": planned.samples,
    }
