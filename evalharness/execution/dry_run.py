"""Describes what a run would do and how long it would take; the weights may be missing on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from evalharness.config.schema import Sweep
from evalharness.execution import cost_estimates, disk_forecast, rates, scoring_forecast
from evalharness.execution.imported import imported_images
from evalharness.execution.model_warnings import model_warnings
from evalharness.execution.scoring_forecast import CountSearched
from evalharness.execution.shared_drawings import without_contained
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.store.states import SampleState, pending_jobs, sample_states
from evalharness.store.store import Store


def dry_run(
    sweep: Sweep,
    store_path: Path,
    command: str,
    *,
    retry_failed: bool = False,
    rates_file: Path | None = None,
    count_searched: CountSearched | None = None,
) -> list[str]:
    """Describe a run in lines for people.

    Numbers of images, of calls and of bytes are bounds, which hold if nothing fails; times are estimates.

    Args:
        store_path: The store, which is only read; it need not exist.
        command: The command that measures rates.
        retry_failed: Whether the run would try again what failed.
        rates_file: Rates measured elsewhere.
        count_searched: Counts the intermediate images that the run's searches may score.

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
        lines += _not_continued(plan, absent)
        intermediate = {} if count_searched is None else count_searched(plan, store, jobs)
        forecasts = scoring_forecast.scoring_forecasts(plan, store, states, retry, intermediate)
        lines += scoring_forecast.describe(forecasts)
        warnings = [*model_warnings(plan), *imported_images(plan, store).get("warnings", [])]
        lines += [f"warning: {warning}" for warning in warnings]
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


def _not_continued(plan: Plan, absent: Collection[str]) -> Iterator[str]:
    """A line that names the arms with several drawings whose stored steps are not continued; see docs/store.md."""
    models = {alias: spec.build() for alias, spec in plan.sweep.models.items() if f"model {alias}" not in absent}
    arms = [arm for arm in plan.sweep.arms if arm.model in models and arm.variant.drawings > 1]
    names = [arm.name for arm in arms if not arm.variant.resumes(models[arm.model])]
    if names:
        yield f"not continued from stored steps, but drawn again as a whole: {', '.join(names)}"
