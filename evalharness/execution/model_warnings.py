"""What the models of a plan say about their files, before anything is drawn."""

from __future__ import annotations

import contextlib

from evalharness.errors import WeightsError
from evalharness.planning.plan import Plan


def model_warnings(plan: Plan) -> list[str]:
    """A line for each warning. A model whose weights are missing is left out: what draws or plans says so."""
    lines = []
    for alias, spec in plan.sweep.models.items():
        with contextlib.suppress(WeightsError):
            lines += [f"model {alias!r}: {warning}" for warning in spec.build().warnings()]
    return lines
