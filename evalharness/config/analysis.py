"""The analysis that a sweep file declares before the run: confirmatory contrasts, trends and replicates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness.api.variant import CAP
from evalharness.config.arm_families import base_name
from evalharness.config.yaml import Document, Location
from evalharness.errors import did_you_mean

ArmSettings = Mapping[str, Mapping[str, Any]]
"""Name of an arm → its variant's settings."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ContrastEntry(_Entry):
    """A contrast between an arm and ``against``, which is the baseline by default."""

    arm: str
    against: str | None = None


class TrendEntry(_Entry):
    """A trend of the score over a numeric setting of the arms."""

    arms: str | list[str]
    over: str = CAP


class AnalysisEntry(_Entry):
    """The section ``analysis`` of a sweep file.

    An arm is given by its name. A name in the file stands for all arms that it expands to.
    """

    confirmatory: list[str | ContrastEntry] = []
    trend: TrendEntry | list[TrendEntry] = []
    replicates: dict[str, str | list[str]] = {}


@dataclass(frozen=True, slots=True)
class PlannedContrast:
    """A confirmatory contrast: ``arm`` minus ``against``."""

    arm: str
    against: str


@dataclass(frozen=True, slots=True)
class PlannedTrend:
    """A trend over the setting ``over``; ``arms`` are sorted by rising ``values`` of that setting."""

    arms: tuple[str, ...]
    over: str
    values: tuple[float, ...]

    @classmethod
    def along(cls, over: str, arms: Collection[str], settings: ArmSettings) -> PlannedTrend:
        """Create the trend over a setting, with its arms sorted by that setting."""
        values = {arm: float(settings[arm][over]) for arm in arms}
        ordered = tuple(sorted(arms, key=values.__getitem__))
        return cls(ordered, over, tuple(values[arm] for arm in ordered))


@dataclass(frozen=True, slots=True)
class ReplicateGroup:
    """Arms that differ only in the training run that their weights come from."""

    name: str
    arms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preregistration:
    """The analysis that a sweep file declares before its run, with names of expanded arms."""

    contrasts: tuple[PlannedContrast, ...] = ()
    trends: tuple[PlannedTrend, ...] = ()
    replicates: tuple[ReplicateGroup, ...] = ()

    def within(self, arms: Collection[str]) -> Preregistration:
        """Restrict the analysis to some arms.

        A contrast or trend is dropped if one of its arms is; a replicate group keeps the arms that are left.
        """
        groups = {group.name: tuple(arm for arm in group.arms if arm in arms) for group in self.replicates}
        return Preregistration(
            tuple(contrast for contrast in self.contrasts if {contrast.arm, contrast.against} <= set(arms)),
            tuple(trend for trend in self.trends if set(trend.arms) <= set(arms)),
            tuple(ReplicateGroup(name, members) for name, members in groups.items() if members),
        )

    def as_dict(self) -> dict[str, Any]:
        """The section ``analysis`` of an equivalent sweep file, as JSON."""
        return {
            "confirmatory": [{"arm": contrast.arm, "against": contrast.against} for contrast in self.contrasts],
            "trend": [{"arms": list(trend.arms), "over": trend.over} for trend in self.trends],
            "replicates": {group.name: list(group.arms) for group in self.replicates},
        }

    @classmethod
    def from_dict(cls, section: Mapping[str, Any], settings: ArmSettings) -> Preregistration:
        """Read what :meth:`as_dict` returned, restricted to the arms in ``settings``."""
        contrasts = [PlannedContrast(entry["arm"], entry["against"]) for entry in section.get("confirmatory", ())]
        trends = [
            PlannedTrend.along(entry["over"], entry["arms"], settings)
            for entry in section.get("trend", ())
            if set(entry["arms"]) <= settings.keys()
        ]
        groups = [ReplicateGroup(str(name), tuple(arms)) for name, arms in section.get("replicates", {}).items()]
        return cls(tuple(contrasts), tuple(trends), tuple(groups)).within(settings)


def resolve(
    document: Document, entry: AnalysisEntry, settings: ArmSettings, baseline: str, models: Mapping[str, str]
) -> Preregistration:
    """Check a section ``analysis`` and expand its names to arms.

    Args:
        document: The sweep file, for the place of a mistake.
        entry: The section.
        settings: Name of each arm → its settings.
        baseline: Name of the baseline arm.
        models: Name of each arm → alias of its model.

    Raises:
        ConfigError: An arm does not exist, a trend's setting is not numeric or is the same in all arms, or arms of a
            replicate group differ in more than their training.
    """
    return Preregistration(
        _contrasts(document, entry.confirmatory, settings, baseline),
        _trends(document, entry.trend, settings),
        _replicates(document, entry, settings, models),
    )


def _contrasts(
    document: Document, entries: list[str | ContrastEntry], settings: ArmSettings, baseline: str
) -> tuple[PlannedContrast, ...]:
    contrasts: list[PlannedContrast] = []
    for index, entry in enumerate(entries):
        at: Location = ("analysis", "confirmatory", index)
        contrast = ContrastEntry(arm=entry) if isinstance(entry, str) else entry
        against = _single_arm(document, contrast.against, settings, at) if contrast.against else baseline
        arms = [arm for arm in _arms_named(document, contrast.arm, settings, at) if arm != against]
        if not arms:
            raise document.error(f"{contrast.arm!r} would be compared with itself", *at)
        contrasts += [PlannedContrast(arm, against) for arm in arms]
    return tuple(dict.fromkeys(contrasts))


def _trends(
    document: Document, entries: TrendEntry | list[TrendEntry], settings: ArmSettings
) -> tuple[PlannedTrend, ...]:
    at: Location = ("analysis", "trend")
    if isinstance(entries, TrendEntry):
        return (_trend(document, entries, settings, at),)
    return tuple(_trend(document, entry, settings, (*at, index)) for index, entry in enumerate(entries))


def _trend(document: Document, entry: TrendEntry, settings: ArmSettings, at: Location) -> PlannedTrend:
    names = [entry.arms] if isinstance(entry.arms, str) else entry.arms
    arms = list(dict.fromkeys(arm for name in names for arm in _arms_named(document, name, settings, (*at, "arms"))))
    for arm in arms:
        if not _is_number(settings[arm].get(entry.over)):
            numeric = [name for name, value in settings[arm].items() if _is_number(value)]
            hint = did_you_mean(entry.over, numeric)
            raise document.error(f"arm {arm!r} has no number {entry.over!r}{hint}", *at, "over")
    if len({settings[arm][entry.over] for arm in arms}) < 2:
        raise document.error(f"a trend needs arms with two values of {entry.over!r} or more", *at, "arms")
    return PlannedTrend.along(entry.over, arms, settings)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _replicates(
    document: Document, entry: AnalysisEntry, settings: ArmSettings, models: Mapping[str, str]
) -> tuple[ReplicateGroup, ...]:
    """Check that no arm is in two groups, and that arms of a group have equal settings but distinct models."""
    groups: list[ReplicateGroup] = []
    group_of: dict[str, str] = {}
    for group, names in entry.replicates.items():
        at: Location = ("analysis", "replicates", group)
        listed = [names] if isinstance(names, str) else names
        arms = tuple(dict.fromkeys(arm for name in listed for arm in _arms_named(document, name, settings, at)))
        if not arms:
            raise document.error(f"{group!r} names no arm", *at)
        arm_of_model: dict[str, str] = {}
        for arm in arms:
            if arm in group_of:
                raise document.error(f"arm {arm!r} stands in {group_of[arm]!r} already", *at)
            first = settings[arms[0]]
            differing = next((name for name, value in settings[arm].items() if value != first.get(name)), None)
            if differing is not None:
                raise document.error(
                    f"{arms[0]!r} and {arm!r} differ in {differing!r}, not in their training alone", *at
                )
            if models[arm] in arm_of_model:
                both = f"{arm_of_model[models[arm]]!r} and {arm!r}"
                raise document.error(f"{both} have the same model: a training counts once", *at)
            arm_of_model[models[arm]], group_of[arm] = arm, group
        groups.append(ReplicateGroup(group, arms))
    return tuple(groups)


def _single_arm(document: Document, name: str, settings: ArmSettings, at: Location) -> str:
    arms = _arms_named(document, name, settings, at)
    if len(arms) > 1:
        raise document.error(f"{name!r} is {len(arms)} arms; say which, such as {arms[-1]!r}", *at)
    return arms[0]


def _arms_named(document: Document, name: str, settings: ArmSettings, at: Location) -> list[str]:
    if name in settings:
        return [name]
    arms = [arm for arm in settings if base_name(arm) == name]
    if not arms:
        candidates = {*settings, *map(base_name, settings)}
        raise document.error(f"no arm is called {name!r}{did_you_mean(name, candidates)}", *at)
    return arms
