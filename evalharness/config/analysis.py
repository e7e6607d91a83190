"""What a sweep file says beforehand about its analysis: confirmatory contrasts, trends, trainings of one recipe."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness.config.yaml import Document, Location
from evalharness.errors import did_you_mean


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ContrastEntry(_Strict):
    """``against``: by default the baseline."""

    arm: str
    against: str | None = None


class TrendEntry(_Strict):
    """``over``: a setting of the arms that is a number."""

    arms: str | list[str]
    over: str = "max_iterations"


class AnalysisEntry(_Strict):
    """Arms by their name, or by the name in the file for all arms that it expands to."""

    confirmatory: list[str | ContrastEntry] = []
    trend: TrendEntry | list[TrendEntry] = []
    replicates: dict[str, str | list[str]] = {}


@dataclass(frozen=True, slots=True)
class Contrast:
    arm: str
    against: str


@dataclass(frozen=True, slots=True)
class Trend:
    """``arms`` by rising value of the setting ``over``."""

    arms: tuple[str, ...]
    over: str


@dataclass(frozen=True, slots=True)
class Replicates:
    """Arms that differ in nothing but the training run that their weights come from."""

    name: str
    arms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnalysisDeclarations:
    """All names but those of replicates are names of arms."""

    confirmatory: tuple[Contrast, ...] = ()
    trend: tuple[Trend, ...] = ()
    replicates: tuple[Replicates, ...] = ()

    def within(self, arms: Collection[str]) -> AnalysisDeclarations:
        """Those whose arms are all among these; replicates are those of them that are left."""
        contrasts = tuple(one for one in self.confirmatory if {one.arm, one.against} <= set(arms))
        left = [Replicates(one.name, tuple(arm for arm in one.arms if arm in arms)) for one in self.replicates]
        trends = tuple(one for one in self.trend if set(one.arms) <= set(arms))
        return AnalysisDeclarations(contrasts, trends, tuple(one for one in left if one.arms))

    def as_dict(self) -> dict[str, Any]:
        """As it could stand in a sweep file."""
        return {
            "confirmatory": [{"arm": one.arm, "against": one.against} for one in self.confirmatory],
            "trend": [{"arms": list(one.arms), "over": one.over} for one in self.trend],
            "replicates": {one.name: list(one.arms) for one in self.replicates},
        }


def base_name(arm: str) -> str:
    """An arm's name in the file, without the settings that tell it from those beside it.

    >>> base_name("process max_iterations=2 inspect=true")
    'process'
    """
    return re.sub(r"( \w+=[^ ]*)+$", "", arm)


def check(
    document: Document,
    entry: AnalysisEntry,
    arms: Mapping[str, Mapping[str, Any]],
    baseline: str,
    models: Mapping[str, str],
) -> AnalysisDeclarations:
    """Names written out and checked; ``arms`` has the settings of each, ``models`` the name of its model.

    Raises:
        ConfigError: no such arm, a setting that is no number or the same in all arms, or replicates that are none.
    """
    contrasts: list[Contrast] = []
    for index, one in enumerate(entry.confirmatory):
        at: Location = ("analysis", "confirmatory", index)
        wanted = ContrastEntry(arm=one) if isinstance(one, str) else one
        (against,) = _single(document, wanted.against, arms, at) if wanted.against else (baseline,)
        named = [arm for arm in _named(document, wanted.arm, arms, at) if arm != against]
        if not named:
            raise document.error(f"{wanted.arm!r} would be compared with itself", *at)
        contrasts += [Contrast(arm, against) for arm in named]
    entries = entry.trend if isinstance(entry.trend, list) else [entry.trend]
    places: list[Location] = [
        ("analysis", "trend", *([i] if isinstance(entry.trend, list) else [])) for i in range(len(entries))
    ]
    trends = tuple(_trend(document, one, arms, at) for one, at in zip(entries, places, strict=True))
    return AnalysisDeclarations(tuple(dict.fromkeys(contrasts)), trends, _replicates(document, entry, arms, models))


def _trend(document: Document, entry: TrendEntry, arms: Mapping[str, Mapping[str, Any]], at: Location) -> Trend:
    wanted = [entry.arms] if isinstance(entry.arms, str) else entry.arms
    named = list(dict.fromkeys(arm for name in wanted for arm in _named(document, name, arms, (*at, "arms"))))
    for arm in named:
        value = arms[arm].get(entry.over)
        if isinstance(value, bool) or not isinstance(value, int | float):
            numbers = [
                key for key, one in arms[arm].items() if isinstance(one, int | float) and not isinstance(one, bool)
            ]
            hint = did_you_mean(entry.over, numbers)
            raise document.error(f"arm {arm!r} has no number {entry.over!r}{hint}", *at, "over")
    if len({arms[arm][entry.over] for arm in named}) < 2:
        raise document.error(f"a trend needs arms with two values of {entry.over!r} or more", *at, "arms")
    return Trend(tuple(sorted(named, key=lambda arm: float(arms[arm][entry.over]))), entry.over)


def _replicates(
    document: Document, entry: AnalysisEntry, arms: Mapping[str, Mapping[str, Any]], models: Mapping[str, str]
) -> tuple[Replicates, ...]:
    """An arm is of one recipe alone; its trainings have the same settings, each with a model of its own."""
    groups, owner = [], dict[str, str]()
    for name, wanted in entry.replicates.items():
        at: Location = ("analysis", "replicates", name)
        listed = [wanted] if isinstance(wanted, str) else wanted
        named = tuple(dict.fromkeys(arm for one in listed for arm in _named(document, one, arms, at)))
        if not named:
            raise document.error(f"{name!r} names no arm", *at)
        trained: dict[str, str] = {}
        for arm in named:
            if arm in owner:
                raise document.error(f"arm {arm!r} stands in {owner[arm]!r} already", *at)
            other = next((key for key, value in arms[arm].items() if value != arms[named[0]].get(key)), None)
            if other is not None:
                raise document.error(f"{named[0]!r} and {arm!r} differ in {other!r}, not in their training alone", *at)
            if models[arm] in trained:
                both = f"{trained[models[arm]]!r} and {arm!r}"
                raise document.error(f"{both} have the same model: a training counts once", *at)
            trained[models[arm]], owner[arm] = arm, name
        groups.append(Replicates(name, named))
    return tuple(groups)


def _single(document: Document, name: str, arms: Mapping[str, Any], at: Location) -> Iterator[str]:
    found = _named(document, name, arms, at)
    if len(found) > 1:
        raise document.error(f"{name!r} is {len(found)} arms; say which, such as {found[-1]!r}", *at)
    yield found[0]


def _named(document: Document, name: str, arms: Mapping[str, Any], at: Location) -> list[str]:
    if name in arms:
        return [name]
    found = [arm for arm in arms if base_name(arm) == name]
    if not found:
        known = {*arms, *map(base_name, arms)}
        raise document.error(f"no arm is called {name!r}{did_you_mean(name, known)}", *at)
    return found
