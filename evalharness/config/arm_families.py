"""Names of arms, and families of arms that differ only in their iteration cap.

The arms of a family share their trajectories, since a longer cap continues a shorter one. A figure shows a family as
one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evalharness._util.hashing import canonical
from evalharness.api.variant import CAP

FamilyKey = tuple[str, str]
"""Model and canonical JSON of the variant's settings without the cap: the same for all arms of a family."""


@dataclass(frozen=True, slots=True)
class CapFamily:
    """Arms by rising cap. An arm without iterations is a family by itself, with empty ``caps``."""

    label: str
    arms: tuple[str, ...]
    caps: tuple[int, ...]


def family_key(model: str, settings: Mapping[str, Any]) -> FamilyKey:
    """The key of an arm's family.

    >>> family_key("m", {"variant": "process", "max_iterations": 2}) == family_key("m", {"variant": "process"})
    True
    """
    return model, canonical({name: value for name, value in settings.items() if name != CAP})


def cap_families(arms: Iterable[tuple[str, FamilyKey, int | None]]) -> list[CapFamily]:
    """Group arms, each given as name, key and cap, into families in the order of their first arms."""
    groups: dict[FamilyKey | str, list[tuple[int, str]]] = {}
    for name, key, cap in arms:
        if cap is None:
            groups[name] = [(-1, name)]
        else:
            groups.setdefault(key, []).append((cap, name))
    return [_family(sorted(members)) for members in groups.values()]


def base_name(arm: str) -> str:
    """An arm's name in the sweep file, without the settings that its expansion added.

    >>> base_name("process max_iterations=2 inspect=true")
    'process'
    >>> base_name("process model.steps=2")
    'process'
    """
    return re.sub(r"( [\w.]+=[^ ]*)+$", "", arm)


def expansions(arms: Iterable[str]) -> dict[tuple[str, tuple[str, ...]], tuple[float, ...]]:
    """Arms that one arm of the sweep file expands to: setting and arms by its rising values → these values.

    >>> expansions(["single", "process refinements=2", "process refinements=0"])
    {('refinements', ('process refinements=0', 'process refinements=2')): (0.0, 2.0)}
    """
    groups: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for arm in arms:
        added = arm[len(base_name(arm)) :]
        for setting, value in re.findall(r"([\w.]+)=(-?\d+(?:\.\d+)?)(?= |$)", added):
            groups.setdefault((setting, name_without(setting, arm)), []).append((float(value), arm))
    sorted_groups = {key: sorted(members) for key, members in groups.items() if len(members) > 1}
    return {
        (setting, tuple(arm for _, arm in members)): tuple(value for value, _ in members)
        for (setting, _), members in sorted_groups.items()
    }


def name_without(setting: str, arm: str) -> str:
    """An arm's name without the value of a setting that its expansion added.

    >>> name_without("max_iterations", "process max_iterations=2 inspect=true")
    'process inspect=true'
    """
    return re.sub(rf"\s*\b{re.escape(setting)}=[^ ]+", "", arm).strip() or arm


def _family(members: list[tuple[int, str]]) -> CapFamily:
    names = tuple(name for _, name in members)
    label = name_without(CAP, names[0]) if len(names) > 1 else names[0]
    return CapFamily(label, names, tuple(cap for cap, _ in members if cap >= 0))
