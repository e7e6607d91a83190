"""Notices endpoints whose address is not that of an earlier run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from evalharness._util.hashing import digest
from evalharness.execution.plan_judges import judges_with_weights
from evalharness.planning.plan import Plan
from evalharness.store.store import Store

RUN_NAME = "addresses"
"""The name in the table ``runs`` under which the store keeps digests of addresses by digests of identities."""


def moved_endpoints(plan: Plan, store: Store) -> list[str]:
    """Remember the addresses of a plan's endpoints; return a warning for each that was elsewhere in an earlier run."""
    known: dict[str, str] = store.runs.get(RUN_NAME)
    present = dict(known)
    warnings = []
    for label, identity, address in _endpoints(plan):
        address_digest = hashlib.sha256(address.encode()).hexdigest()
        if known.get(identity, address_digest) != address_digest:
            warnings.append(
                f"{label} was at another address in an earlier run with this store, whose results are used; if another "
                "model answers there, set `served_by: NAME`"
            )
        present[identity] = address_digest
    if present != known:
        store.runs.put(RUN_NAME, present)
    return warnings


def _endpoints(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Words for each endpoint, the digest of its identity, and its address."""
    for alias, spec in plan.sweep.models.items():
        model = spec.build()
        if model.address:
            yield f"model {alias!r}", digest(dict(plan.models[alias])), model.address
    for name, judge, identity in judges_with_weights(plan):
        if judge.address:
            yield f"judge {judge.name!r} of {name}", identity, judge.address
