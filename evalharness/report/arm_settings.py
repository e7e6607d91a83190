"""What an arm is, in few words: its variant, and the settings in which it differs from the others."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evalharness.analysis.arms import records, settings_of
from evalharness.api.variant import CAP

if TYPE_CHECKING:
    import pandas as pd


def arm_settings(arms: pd.DataFrame) -> dict[str, str]:
    """The variant of each arm with its settings: of the baseline its cap and what is not the same for all arms, of
    another arm of that variant what differs from the baseline.

    Args:
        arms: the arms of a run, with the columns of ``Results.arms``.
    """
    rows = records(arms)
    settings = {row["arm"]: _settings(row) for row in rows}
    values: dict[str, set[str]] = defaultdict(set)
    for of_arm in settings.values():
        for name, value in of_arm.items():
            values[name].add(_text(value))
    told = {name for name, distinct in values.items() if len(distinct) > 1} | {CAP}
    reference = next((row for row in rows if row["baseline"]), None)
    several_models = len({row["model"] for row in rows}) > 1
    texts = {}
    for row in rows:
        known = {}
        if reference is not None and reference is not row and reference["variant"] == row["variant"]:
            known = settings[reference["arm"]]
        parts = [
            f"{name}={_text(value)}"
            for name, value in settings[row["arm"]].items()
            if name in told and (name not in known or known[name] != value)
        ]
        model = f"{row['model']}, " if several_models else ""
        texts[row["arm"]] = f"{model}{row['variant']}" + (f": {', '.join(parts)}" if parts else "")
    return texts


def _settings(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings_of(row).items() if value is not None and name != "variant"}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
