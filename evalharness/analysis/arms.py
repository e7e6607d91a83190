"""Which arms belong together: those that differ in their iteration cap alone are one line of a figure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Family:
    """Arms by rising ``max_iterations``; ``caps`` is empty for an arm without iterations, which stands alone."""

    label: str
    arms: tuple[str, ...]
    caps: tuple[int, ...]


def families(arms: pd.DataFrame) -> list[Family]:
    """The families in the order of their first arm."""
    import pandas as pd

    groups: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for row in records(arms):
        capped = not pd.isna(row["max_iterations"])
        key = (row["model"], row["variant"], _other_settings(row["settings"])) if capped else (row["arm"],)
        groups.setdefault(key, []).append((int(row["max_iterations"]) if capped else -1, row["arm"]))
    return [_family(sorted(members)) for members in groups.values()]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def baseline(arms: pd.DataFrame) -> str | None:
    """The name of the baseline arm."""
    names = arms.loc[arms["baseline"].astype(bool), "arm"]
    return str(names.iloc[0]) if len(names) else None


def _family(members: list[tuple[int, str]]) -> Family:
    names = tuple(name for _, name in members)
    label = re.sub(r"\s*\bmax_iterations=\d+", "", names[0]).strip() if len(names) > 1 else names[0]
    return Family(label or names[0], names, tuple(cap for cap, _ in members if cap >= 0))


def _other_settings(text: Any) -> str:
    settings = json.loads(text) if text else {}
    return json.dumps({name: value for name, value in settings.items() if name != "max_iterations"}, sort_keys=True)
