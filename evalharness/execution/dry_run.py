"""Describes what a run would do and how long it would take; the weights may be missing on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from evalharness.config.schema import Sweep
from evalharness.execution import cost_estimates, disk_forecast, rates
from evalharness.execution.imported import imported_images
from evalharness.execution.shared_drawings import without_contained
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.store.states import SampleState, pending_jobs, rescore_states, sample_states
from evalharness.store.store import Store


def dry_run(
    sweep: Sweep, store_path: Path, command: str, *, retry_failed: bool = False, rates_file: Path | None = None
) -> list[str]:
    """Describe a run in lines for people.

    Args:
        store_path: The store, which is only read; it need not exist.
        command: The command that measures rates.
        retry_failed: Whether the run would try again what failed.
        rates_file: Rates measured elsewhere.

    Raises:
        ConfigError: The sweep cannot be planned, or the file of rates is wrong.
    """
    file_rates = None if rates_file is None else rates.read(rates_file)
    absent: dict[str, str] = {}
    plan = make_plan(sweep, absent)
    with Store(store_path, write=False) as store:
        retry = store.failures.to_retry(all_kinds=retry_failed)
        states = sample_states(plan, store)
        jobs = without_contained(pending_jobs(plan, states, retry))
        lines = _outline(plan, states)
        lines.append(f"trajectories to draw: {len(jobs)} (arms that differ in their cap share them)")
        lines += cost_estimates.describe(cost_estimates.estimate_costs(plan, store, jobs, file_rates), command)
        lines += disk_forecast.describe(disk_forecast.disk_forecasts(plan, store, jobs))
        lines += _images_to_score(plan, store, states, retry)
        lines += [f"warning: {warning}" for warning in imported_images(plan, store).get("warnings", [])]
    return lines + [f"not here: {name}: {reason}" for name, reason in absent.items()]


def _outline(plan: Plan, states: Sequence[SampleState]) -> list[str]:
    lines = [f"sweep {plan.sweep.name}, seed {plan.sweep.seed}"]
    for name, planned in plan.benchmarks.items():
        lines.append(f"  {name}: {len(planned.items)} of {planned.of} items × {planned.samples} images")
    width = max(len(arm.name) for arm in plan.sweep.arms)
    for arm in plan.sweep.arms:
        arm_states = [state for state in states if state.sample.arm == arm]
        drawn = sum(state.image is not None for state in arm_states)
        scored = sum(state.state == "scored" for state in arm_states)
        failed = sum(state.state == "failed" for state in arm_states)
        line = f"  {arm.name:<{width}}  {len(arm_states)} samples: {drawn} drawn, {scored} scored"
        lines.append(f"{line}, {failed} failed" if failed else line)
    return lines


def _images_to_score(plan: Plan, store: Store, states: Sequence[SampleState], retry: Collection[str]) -> Iterator[str]:
    """A line for each benchmark: how many final images would be scored, at most, or sent to its judge."""
    for name, planned in plan.benchmarks.items():
        members = [state for state in states if state.sample.benchmark == name]
        images = sum(_lacks_score(state, retry) for state in members)
        verb = "to be judged" if "judge" in planned.scorer else "to score"
        line = f"images {verb} for {name}: {images}"
        if planned.rescorings:
            total = sum(
                state.sample.item.id in rescoring.items for state in members for rescoring in planned.rescorings
            )
            scored = sum(rescore.score is not None for rescore in rescore_states(plan, store, members))
            line += f", and {total - scored} questions more to check it"
        yield line


def _lacks_score(state: SampleState, retry: Collection[str]) -> bool:
    """Whether a run would score the image of a sample, unless it has another's bytes."""
    retried = state.state == "failed" and (state.sample.job in retry or state.score_key in retry)
    return retried or state.state in ("pending", "generated")
