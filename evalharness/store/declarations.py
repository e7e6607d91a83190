"""When each declared contrast, trend or group of replicates was first seen, and what was known by then.

The record is made when a run begins, before it scores anything. So it shows whether a comparison was declared before
any of its scores existed, or by someone who could have looked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from evalharness.planning.declarations import Declaration, declarations
from evalharness.planning.plan import Plan
from evalharness.store.sample_columns import SampleColumns
from evalharness.store.store import Store

RUN_NAME = "declarations"
"""The name in the table ``runs``: digest of a declaration → ``declared``, seconds since 1970, and ``scored``, the
number of its images that had a score by then, from whatever scorer."""


def record_declarations(plan: Plan, store: Store) -> None:
    """Record what the plan declares and the store has not seen yet."""
    known = store.runs.get(RUN_NAME)
    unseen = [declaration for declaration in declarations(plan) if declaration.digest not in known]
    if not unseen:
        return
    scored_images, now = store.scores.images(), int(time.time())
    columns = SampleColumns(plan, store, plan.samples if scored_images else ())
    for declaration in unseen:
        images = {columns.images[place] for place in _places(columns, declaration)}
        known[declaration.digest] = {"declared": now, "scored": len(images & scored_images)}
    store.runs.put(RUN_NAME, known)


def earliest(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The records of two stores together: of each declaration the earlier one."""
    both = {**first, **second}
    for digest in first.keys() & second.keys():
        both[digest] = min(first[digest], second[digest], key=lambda record: (record["declared"], -record["scored"]))
    return both


def declaration_facts(plan: Plan, store: Store, columns: SampleColumns) -> list[dict[str, Any]]:
    """Each declaration of the plan: kind, benchmark, arms, when it was ``declared``, and whether ``before`` any score.

    ``declared`` is ``None`` where there is no record. The times of the scores decide as well as the record: a store
    that was merged in may have had scores before. ``columns`` are those of all samples of the plan.
    """
    known = store.runs.get(RUN_NAME)
    facts = []
    for declaration in declarations(plan):
        fact: dict[str, Any] = {"kind": declaration.kind, "benchmark": declaration.benchmark}
        fact |= {"arms": list(declaration.arms), "declared": None, "before": False}
        if record := known.get(declaration.digest):
            seconds = int(record["declared"])
            first = _first_score(columns, _places(columns, declaration))
            fact["declared"] = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
            fact["before"] = record["scored"] == 0 and seconds <= first
        facts.append(fact)
    return facts


def _places(columns: SampleColumns, declaration: Declaration) -> list[int]:
    """Where the samples of a declaration stand."""
    members = set(declaration.arms)
    return [
        place
        for place, sample in enumerate(columns.samples)
        if sample.benchmark == declaration.benchmark and sample.arm.name in members
    ]


def _first_score(columns: SampleColumns, places: list[int]) -> float:
    """When the first of these samples was scored, in seconds since 1970; 0 if that was not recorded."""
    scored = [place for place in places if not np.isnan(columns.scores[place])]
    return float(columns.judged.made[scored].min()) if scored else float("inf")
