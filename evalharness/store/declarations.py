"""When each declared contrast, trend or group of replicates was first seen, and what was known by then.

The record is made when a run begins, before it scores anything. So it shows whether a comparison was declared before
any of its scores existed, or by someone who could have looked.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
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
    scored_images = store.scores.images()
    now = int(time.time())
    for declaration in unseen:
        images = set(_columns(plan, store, declaration).images) if scored_images else set()
        known[declaration.digest] = {"declared": now, "scored": len(images & scored_images)}
    store.runs.put(RUN_NAME, known)


def earliest(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The records of two stores together: of each declaration the earlier one."""
    both = {**first, **second}
    for digest in first.keys() & second.keys():
        both[digest] = min(first[digest], second[digest], key=lambda record: (record["declared"], -record["scored"]))
    return both


def declaration_facts(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """Each declaration of the plan: kind, benchmark, arms, when it was ``declared``, and whether ``before`` any score.

    ``declared`` is ``None`` where there is no record. The times of the scores decide as well as the record: a store
    that was merged in may have had scores before.
    """
    known = store.runs.get(RUN_NAME)
    facts = []
    for declaration in declarations(plan):
        record = known.get(declaration.digest)
        declared = None if record is None else datetime.fromtimestamp(record["declared"], UTC)
        facts.append(
            {
                "kind": declaration.kind,
                "benchmark": declaration.benchmark,
                "arms": list(declaration.arms),
                "declared": None if declared is None else declared.isoformat(timespec="seconds"),
                "before": record is not None
                and record["scored"] == 0
                and record["declared"] <= _first_score(_columns(plan, store, declaration)),
            }
        )
    return facts


def _columns(plan: Plan, store: Store, declaration: Declaration) -> SampleColumns:
    members: Collection[str] = set(declaration.arms)
    chosen = [
        sample for sample in plan.samples if sample.benchmark == declaration.benchmark and sample.arm.name in members
    ]
    return SampleColumns(plan, store, chosen)


def _first_score(columns: SampleColumns) -> float:
    """When the first of the samples was scored, in seconds since 1970; 0 if that was not recorded."""
    times = columns.judged.made[~np.isnan(columns.scores)]
    return float(times.min()) if len(times) else float("inf")
