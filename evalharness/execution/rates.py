"""Rates at which trajectories are drawn, measured or estimated by the model.

A rate counts the seconds of one iteration, or of one trajectory where a variant does not iterate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util.hashing import digest
from evalharness._util.validation import error_line
from evalharness.api.variant import CAP
from evalharness.config import yaml
from evalharness.config.arm_families import FamilyKey, name_without
from evalharness.errors import ConfigError, did_you_mean
from evalharness.planning.plan import Job, Plan
from evalharness.store.store import Store

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RatesFile(BaseModel):
    """Rates for the models of a sweep.

    Attributes:
        source: Hardware and date of the measurement.
        seconds: By the model's name in the sweep file, then by the name of an arm without its cap, or of a variant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = ""
    seconds: dict[str, dict[str, Seconds]]

    def check(self, plan: Plan) -> None:
        """Check that the plan has these models and arms.

        Raises:
            ConfigError: A model or arm is missing.
        """
        for alias, rates in self.seconds.items():
            if alias not in plan.sweep.models:
                raise ConfigError(f"--rates: the sweep has no model {alias!r}{did_you_mean(alias, plan.sweep.models)}")
            names = {name for family, arms in arms_of_families(plan).items() if family[0] == alias for name in arms}
            names |= {arm.variant.variant for arm in plan.sweep.arms if arm.model == alias}
            for name in rates:
                if name not in names:
                    raise ConfigError(f"--rates: model {alias!r} has no arm {name!r}{did_you_mean(name, names)}")

    def rate(self, alias: str, names: Iterable[str]) -> Rate | None:
        """The rate of a model under the first of these names that has one."""
        rates = self.seconds.get(alias, {})
        for name in names:
            if name in rates:
                return Rate(rates[name], self.source or "--rates")
        return None


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds and dollars of one iteration; ``source`` says where they come from."""

    seconds: float
    source: str
    dollars: float = 0.0


def read(path: Path) -> RatesFile:
    """Read a file of rates.

    Raises:
        ConfigError: It cannot be read, or is malformed.
    """
    document = yaml.read(path)
    try:
        return RatesFile.model_validate(document.data, strict=True)
    except ValidationError as error:
        raise ConfigError(f"{path} is no file of rates: {error_line(error, RatesFile)}") from None


def measured_rates(plan: Plan, store: Store) -> dict[FamilyKey, Rate]:
    """The rates of the trajectories that the store has, by family of arms."""
    rates = {}
    for alias, identity in plan.models.items():
        for variant, (count, iterations, seconds, dollars) in store.trajectories.totals(digest(dict(identity))).items():
            if iterations and seconds:
                source = f"measured, {count} in the store"
                rates[alias, variant] = Rate(seconds / iterations, source, dollars / iterations)
    return rates


def measured_seconds(plan: Plan, store: Store) -> dict[str, dict[str, float]]:
    """The measured rates in seconds, by model and arm, as a file of rates has them."""
    rates = measured_rates(plan, store)
    seconds: dict[str, dict[str, float]] = defaultdict(dict)
    for family, arms in arms_of_families(plan).items():
        if family in rates:
            seconds[family[0]][arms[0]] = round(rates[family].seconds, 3)
    return dict(seconds)


def unmeasured_arms(plan: Plan, store: Store) -> list[tuple[str, str]]:
    """The model and the first arm of each family of which the store has no trajectory, but those that are not drawn."""
    drawn = {
        (alias, variant)
        for alias, identity in plan.models.items()
        for variant in store.trajectories.totals(digest(dict(identity)))
    }
    return [
        (family[0], arms[0])
        for family, arms in arms_of_families(plan).items()
        if family not in drawn and family[0] not in plan.image_sources
    ]


def estimated_rate(model: Any, variant: Any) -> Rate | None:
    """The rate that a model estimates for itself, if it does."""
    seconds = model.estimate(variant)
    return None if seconds is None else Rate(float(seconds) / (variant.cap or 1), "as the model says of itself")


def arms_of_families(plan: Plan) -> dict[FamilyKey, list[str]]:
    """The names of the arms of each family, without their caps, in the order of the sweep."""
    families: dict[FamilyKey, list[str]] = defaultdict(list)
    for arm in plan.sweep.arms:
        families[arm.family].append(name_without(CAP, arm.name))
    return {family: list(dict.fromkeys(names)) for family, names in families.items()}


def expected_seconds(job: Job, model: Any, measured: Mapping[FamilyKey, Rate]) -> float:
    """The expected seconds of a job: by the measured rate, else by the model's own, else one second per iteration."""
    rate = measured.get(job.family) or estimated_rate(model, job.variant)
    return (rate.seconds if rate else 1.0) * (job.cap or 1)
