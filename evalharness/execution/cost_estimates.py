"""Estimates how long a plan takes to draw, from measured rates. Missing rates are reported, never guessed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evalharness._util.progress import duration
from evalharness.api.model import RemoteImageModel
from evalharness.config.arm_families import FamilyKey
from evalharness.execution.rates import Rate, RatesFile, arms_of_families, estimated_rate, measured_rates
from evalharness.planning.plan import Job, Plan
from evalharness.store.store import Store

TO_THE_CAP = ", if each trajectory goes to its cap and takes as long as those measured"


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """The expected cost of the jobs of one family of arms, if each goes to its cap.

    Attributes:
        model: Alias of the model.
        arm: Name of the family's first arm, without its cap.
        jobs: Number of jobs.
        iterations: Iterations of all jobs together, at most.
        rate: ``None`` if none is known.
        devices: Devices that a job keeps busy.
        concurrency: Jobs that a service does at a time.
    """

    model: str
    arm: str
    jobs: int
    iterations: int
    rate: Rate | None
    devices: int | None = None
    concurrency: int = 1

    @property
    def seconds(self) -> float:
        return 0.0 if self.rate is None else self.iterations * self.rate.seconds / self.concurrency


def estimate_costs(
    plan: Plan, store: Store, jobs: Iterable[Job], rates_file: RatesFile | None = None
) -> list[CostEstimate]:
    """Estimate the cost of jobs, for each family of arms.

    A rate of the file comes before one measured in the store, and that before the model's own estimate.

    Raises:
        ConfigError: The file has a rate for a model or arm that the sweep lacks.
    """
    if rates_file is not None:
        rates_file.check(plan)
    measured = measured_rates(plan, store)
    jobs_of_families: dict[FamilyKey, list[Job]] = defaultdict(list)
    for job in jobs:
        jobs_of_families[job.family].append(job)
    estimates = []
    for family, arms in arms_of_families(plan).items():
        members = jobs_of_families.get(family)
        if not members:
            continue
        alias, variant = family[0], members[0].variant
        model = plan.sweep.models[alias].build()
        rate = rates_file.rate(alias, [*arms, variant.variant]) if rates_file else None
        estimates.append(
            CostEstimate(
                model=alias,
                arm=arms[0],
                jobs=len(members),
                iterations=sum(job.cap or 1 for job in members),
                rate=rate or measured.get(family) or estimated_rate(model, variant),
                devices=model.device_count,
                concurrency=model.concurrency if isinstance(model, RemoteImageModel) else 1,
            )
        )
    return estimates


def describe(estimates: Sequence[CostEstimate], command: str) -> list[str]:
    """Lines for people: the total time, then each estimate, then what to do where a rate is missing.

    Args:
        command: The command that measures rates.
    """
    if not estimates:
        return ["expected time to draw: nothing"]
    unknown = [estimate for estimate in estimates if estimate.rate is None]
    lines = [_total(estimates, unknown), *(f"  {_describe(estimate)}" for estimate in estimates)]
    hours = sum(estimate.seconds * estimate.devices for estimate in estimates if estimate.devices) / 3600
    if hours:
        lines.append(f"  GPU hours: about {hours:.1f}{' where there is a rate' if unknown else ''}")
    if unknown:
        missing = ", ".join(f"{estimate.arm} of {estimate.model}" for estimate in unknown)
        lines.append(
            f"  no measured rate for {missing}; on the machine that will draw all, measure with\n    {command}\n"
            "  and ask again there, or here with --rates rates.yaml"
        )
    return lines


def _total(estimates: Sequence[CostEstimate], unknown: Sequence[CostEstimate]) -> str:
    seconds = sum(estimate.seconds for estimate in estimates)
    if not unknown:
        return f"expected time to draw: about {duration(seconds)}{TO_THE_CAP}"
    rest = f", about {duration(seconds)} for the others{TO_THE_CAP}" if seconds else ""
    return f"expected time to draw: unknown for {sum(estimate.jobs for estimate in unknown)} trajectories{rest}"


def _describe(estimate: CostEstimate) -> str:
    name, rate = f"{estimate.arm} of {estimate.model}: {estimate.jobs} trajectories", estimate.rate
    if rate is None:
        return f"{name}, no rate"
    mean = estimate.iterations / estimate.jobs
    iterations = f" × at most {mean:g} iterations" if mean > 1 else ""
    parallel = f" / {estimate.concurrency} at once" if estimate.concurrency > 1 else ""
    dollars = f", {estimate.iterations * rate.dollars:.2f} dollars" if rate.dollars else ""
    product = f"{iterations} × {rate.seconds:.3g} s{parallel}"
    return f"{name}{product} = {duration(estimate.seconds)}{dollars} ({rate.source})"
