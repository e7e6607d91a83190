"""What stands below the name of an arm."""

from __future__ import annotations

import json

import pandas as pd

from evalharness.report.arm_settings import arm_settings
from evalharness.store.results import ARM_COLUMNS


def arms(*rows: tuple[str, str, str, dict[str, object], bool]) -> pd.DataFrame:
    table = [(name, model, variant, None, json.dumps(of), first) for name, model, variant, of, first in rows]
    return pd.DataFrame(table, columns=list(ARM_COLUMNS))


def test_what_all_arms_share_is_left_out_and_others_tell_what_differs_from_the_baseline() -> None:
    same = {"variant": "process", "max_iterations": 4, "sketch": True}
    texts = arm_settings(
        arms(
            ("all", "m", "process", same | {"inspect": True}, True),
            ("blind", "m", "process", same | {"inspect": False}, False),
            ("twin", "m", "process", same | {"inspect": True}, False),
            ("plain", "m", "single_pass", {"variant": "single_pass"}, False),
        )
    )
    assert texts == {
        "all": "process: max_iterations=4, inspect=true",
        "blind": "process: inspect=false",
        "twin": "process",
        "plain": "single_pass",
    }


def test_models_are_told_where_there_are_several() -> None:
    texts = arm_settings(arms(("a", "one", "single_pass", {}, True), ("b", "two", "single_pass", {}, False)))
    assert texts == {"a": "one, single_pass", "b": "two, single_pass"}
