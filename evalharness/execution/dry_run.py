"""What a run would do and what it would cost, without doing it, and without what it needs: weights may be elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalharness.config.schema import Sweep
from evalharness.execution import timing
from evalharness.execution.imported import imported_images
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.store.states import SampleState, failed_keys, pending_jobs, rescore_states, sample_states
from evalharness.store.store import Store


def dry_run(
    sweep: Sweep, where: Path, measuring: str, *, retry_failed: bool = False, rates_file: Path | None = None
) -> list[str]:
    """Lines for people. ``where``: the store, which is read only, if there is one; ``measuring``: the command that
    measures rates.

    Raises:
        ConfigError: the sweep cannot be planned, or the file of rates is wrong.
    """
    given = None if rates_file is None else timing.read(rates_file)
    absent: dict[str, str] = {}
    plan = make_plan(sweep, absent)
    with Store(where, write=False) as store:
        retry = failed_keys(plan, store) if retry_failed else set()
        found = sample_states(plan, store)
        jobs = pending_jobs(plan, found, retry)
        lines = [
            *_outline(plan, found),
            f"trajectories to draw: {len(jobs)} (arms that differ in their cap share them)",
        ]
        lines += timing.lines(timing.shares(plan, store, [job.key for job in jobs], given), measuring)
        lines += [line for name in plan.benchmarks if (line := _questions(plan, store, name, found))]
        lines += [f"warning: {line}" for line in imported_images(plan, store).get("warnings", [])]
    return lines + [f"not here: {what}: {why}" for what, why in absent.items()]


def _outline(plan: Plan, found: Sequence[SampleState]) -> list[str]:
    lines = [f"sweep {plan.sweep.name}, seed {plan.sweep.seed}"]
    for name, planned in plan.benchmarks.items():
        lines.append(f"  {name}: {len(planned.items)} of {planned.of} items × {planned.samples} images")
    width = max(len(arm.name) for arm in plan.sweep.arms)
    for arm in plan.sweep.arms:
        own = [one for one in found if one.sample.arm == arm]
        states = [one.state for one in own]
        drawn = sum(one.image is not None for one in own)
        there = f"{drawn} drawn, {states.count('scored')} scored"
        failed = f", {states.count('failed')} failed" if "failed" in states else ""
        lines.append(f"  {arm.name:<{width}}  {len(states)} samples: {there}{failed}")
    return lines


def _questions(plan: Plan, store: Store, name: str, found: Sequence[SampleState]) -> str:
    """How much a judge would be asked, if the benchmark has one."""
    planned = plan.benchmarks[name]
    if "judge" not in planned.scorer:
        return ""
    own = [one for one in found if one.sample.benchmark == name]
    images = sum(one.state in ("pending", "generated") for one in own)
    wanted = sum(one.sample.item.id in rescoring.items for one in own for rescoring in planned.rescorings)
    there = sum(one.score is not None for one in rescore_states(plan, store, own))
    checks = f", and {wanted - there} questions more to check it" if planned.rescorings else ""
    return f"images to be judged for {name}: {images}{checks}"
