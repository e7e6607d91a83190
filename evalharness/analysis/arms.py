"""The arms of a run, as the table of its results holds them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evalharness.config.arm_families import CapFamily, cap_families, family_key

if TYPE_CHECKING:
    import pandas as pd


def families(arms: pd.DataFrame) -> list[CapFamily]:
    """The families of arms that differ only in their cap, in the order of their first arms."""
    import pandas as pd

    entries = []
    for row in records(arms):
        settings = json.loads(row["settings"]) if row["settings"] else {}
        cap = None if pd.isna(row["max_iterations"]) else int(row["max_iterations"])
        entries.append((row["arm"], family_key(row["model"], settings | {"variant": row["variant"]}), cap))
    return cap_families(entries)


def baseline(arms: pd.DataFrame) -> str | None:
    """The name of the baseline arm."""
    names = arms.loc[arms["baseline"].astype(bool), "arm"]
    return str(names.iloc[0]) if len(names) else None


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dicts by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
