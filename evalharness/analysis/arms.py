"""The arms of a run, as the table of its results holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evalharness.config.arm_families import CapFamily, cap_families, family_key

if TYPE_CHECKING:
    import pandas as pd


def families(arms: pd.DataFrame) -> list[CapFamily]:
    """The families of arms that differ only in their cap, in the order of their first arms."""
    import pandas as pd

    entries = []
    for row in records(arms):
        cap = None if pd.isna(row["max_iterations"]) else int(row["max_iterations"])
        entries.append((row["arm"], family_key(row["model"], settings_of(row) | {"variant": row["variant"]}), cap))
    return cap_families(entries)


def baseline(arms: pd.DataFrame) -> str | None:
    """The name of the baseline arm."""
    names = arms.loc[arms["baseline"].astype(bool), "arm"]
    return str(names.iloc[0]) if len(names) else None


def settings_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an arm's variant, of its row; none where a run from elsewhere has none."""
    settings: dict[str, Any] = json.loads(row["settings"] or "{}")
    return settings


def settings_by_arm(arms: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The settings of each arm's variant."""
    return {str(row["arm"]): settings_of(row) for row in records(arms)}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dicts by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
