"""How long a plan would take to draw, by rates that somebody measured: in the store, or in a file. Never by a guess.

A rate is the seconds that one trajectory takes on the device, of a process the seconds of one iteration.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util.hashing import digest
from evalharness._util.progress import duration
from evalharness._util.validation import error_line
from evalharness.api.model import RemoteImageModel
from evalharness.config import yaml
from evalharness.config.arm_families import name_without_cap
from evalharness.errors import ConfigError, did_you_mean
from evalharness.planning.plan import Job, Plan
from evalharness.store.store import Store

Kind = tuple[str, str]
"""A model's name in the sweep, and the key of a variant."""
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RatesFile(BaseModel):
    """``seconds``: a model's name in the sweep file → an arm's name there, or a variant → seconds; ``source``: where
    and when they were measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = ""
    seconds: dict[str, dict[str, Seconds]]


@dataclass(frozen=True, slots=True)
class Rate:
    """``seconds`` and ``dollars`` an iteration; ``source`` says by what right."""

    seconds: float
    source: str
    dollars: float = 0.0


@dataclass(frozen=True, slots=True)
class Share:
    """What the jobs of one model and variant would take at most; ``rate`` is ``None`` where nobody has measured.

    ``arm`` is the first that needs them, without its cap; ``iterations`` are those of all jobs together, ``devices``
    how many a job keeps busy, ``at_once`` how many jobs go on at a time elsewhere.
    """

    model: str
    arm: str
    jobs: int
    iterations: int
    rate: Rate | None
    devices: int | None = None
    at_once: int = 1

    @property
    def seconds(self) -> float:
        return 0.0 if self.rate is None else self.iterations * self.rate.seconds / self.at_once


def read(path: Path) -> RatesFile:
    """A file of rates.

    Raises:
        ConfigError: it cannot be read, or is malformed.
    """
    document = yaml.read(path)
    try:
        return RatesFile.model_validate(document.data, strict=True)
    except ValidationError as error:
        raise ConfigError(f"{path} is no file of rates: {error_line(error, RatesFile)}") from None


def shares(plan: Plan, store: Store, keys: Iterable[str], given: RatesFile | None = None) -> list[Share]:
    """What each model and variant of these jobs would take. A given rate goes before one of the store, which goes
    before what a model says of itself.

    Raises:
        ConfigError: a rate is given for a model or arm that the sweep has not.
    """
    if given is not None:
        _check(plan, given)
    built = {alias: spec.build() for alias, spec in plan.sweep.models.items()}
    took = {alias: store.took(digest(dict(identity))) for alias, identity in plan.models.items()}
    groups: dict[Kind, list[Job]] = defaultdict(list)
    for key in keys:
        job = plan.jobs[key]
        groups[job.family].append(job)
    found = []
    for (alias, name), arms in _arms(plan).items():
        if jobs := groups.get((alias, name)):
            model, variant = built[alias], jobs[0].variant
            rate = (
                _given(given, alias, [*arms, variant.variant]) or _stored(took[alias].get(name)) or _own(model, variant)
            )
            at_once = int(getattr(model, "concurrency", 1)) if isinstance(model, RemoteImageModel) else 1
            iterations = sum(job.cap or 1 for job in jobs)
            found.append(
                Share(alias, arms[0], len(jobs), iterations, rate, getattr(model, "device_count", None), at_once)
            )
    return found


def lines(found: Sequence[Share], command: str) -> list[str]:
    """For people: the time in all, then each share, then what is to be done where there is no rate: the ``command``
    that measures."""
    if not found:
        return ["expected time to draw: nothing"]
    total, unknown = sum(one.seconds for one in found), [one for one in found if one.rate is None]
    if unknown:
        count = sum(one.jobs for one in unknown)
        rest = f", at most {duration(total)} for the others" if total else ""
        text = [f"expected time to draw: unknown for {count} trajectories{rest}"]
    else:
        text = [f"expected time to draw: at most {duration(total)}"]
    text += [f"  {line}" for line in map(_line, found)]
    if hours := sum(one.seconds * one.devices for one in found if one.devices) / 3600:
        text.append(f"  GPU hours: at most {hours:.1f}{' where there is a rate' if unknown else ''}")
    if unknown:
        missing = ", ".join(f"{one.arm} of {one.model}" for one in unknown)
        text.append(
            f"  no measured rate for {missing}; on the machine that will draw all, measure with\n    {command}\n"
            "  and ask again there, or here with --rates rates.yaml"
        )
    return text


def _line(one: Share) -> str:
    name = f"{one.arm} of {one.model}: {one.jobs} trajectories"
    if one.rate is None:
        return f"{name}, no rate"
    each = f" × at most {one.iterations / one.jobs:g} iterations" if one.iterations > one.jobs else ""
    places = f" / {one.at_once} at once" if one.at_once > 1 else ""
    dollars = f", {one.iterations * one.rate.dollars:.2f} dollars" if one.rate.dollars else ""
    return f"{name}{each} × {one.rate.seconds:.3g} s{places} = {duration(one.seconds)}{dollars} ({one.rate.source})"


def _arms(plan: Plan) -> dict[Kind, list[str]]:
    """Model and variant → the arms that share their trajectories, in the order of the sweep, without their caps."""
    found: dict[Kind, list[str]] = defaultdict(list)
    for arm in plan.sweep.arms:
        found[arm.family].append(name_without_cap(arm.name))
    return {kind: list(dict.fromkeys(names)) for kind, names in found.items()}


def _check(plan: Plan, given: RatesFile) -> None:
    for alias, own in given.seconds.items():
        if alias not in plan.sweep.models:
            raise ConfigError(f"--rates: the sweep has no model {alias!r}{did_you_mean(alias, plan.sweep.models)}")
        known = {name for kind, names in _arms(plan).items() if kind[0] == alias for name in names}
        variants = {arm.variant.variant for arm in plan.sweep.arms if arm.model == alias}
        for name in own:
            if name not in known | variants:
                raise ConfigError(f"--rates: model {alias!r} has no arm {name!r}{did_you_mean(name, known | variants)}")


def _given(given: RatesFile | None, alias: str, names: Iterable[str]) -> Rate | None:
    own = given.seconds.get(alias, {}) if given else {}
    seconds = next((own[name] for name in names if name in own), None)
    return None if given is None or seconds is None else Rate(seconds, given.source or "--rates")


def _stored(took: tuple[int, int, float, float] | None) -> Rate | None:
    """Of trajectories, iterations, seconds and dollars in the store."""
    if took is None or not took[1] or not took[2]:
        return None
    count, iterations, seconds, dollars = took
    return Rate(seconds / iterations, f"measured, {count} in the store", dollars / iterations)


def _own(model: Any, variant: Any) -> Rate | None:
    estimate = getattr(model, "estimate", None)
    if estimate is None:
        return None
    return Rate(estimate(variant) / (getattr(variant, "max_iterations", None) or 1), "as the model says of itself")


def measured(plan: Plan, store: Store) -> dict[str, dict[str, float]]:
    """The rates that a store has for a plan, as a file of rates holds them: seconds by model and arm."""
    took = {alias: store.took(digest(dict(identity))) for alias, identity in plan.models.items()}
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (alias, name), arms in _arms(plan).items():
        if (rate := _stored(took[alias].get(name))) is not None:
            found[alias][arms[0]] = round(rate.seconds, 3)
    return dict(found)
