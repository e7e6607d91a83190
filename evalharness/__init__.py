"""A benchmark and ablation evaluation harness for text-to-image and unified multimodal models.

    import evalharness as eh

    results = eh.run("ablations/iters.yaml", limit=60, out="reports/try")
    results.contrasts()

The names in ``__all__`` are the public interface. Each is loaded when it is first used, so importing the package is
fast. See docs/python-api.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalharness._front import Results, compare, dry_run, load_results, load_sweep, plan, run
    from evalharness._scorer import ImageScorer, scorer
    from evalharness.config.schema import Sweep
    from evalharness.planning.plan import Plan
    from evalharness.types.item import Item
    from evalharness.types.score import Score

__version__ = "0.1.0"

__all__ = [
    "ImageScorer",
    "Item",
    "Plan",
    "Results",
    "Score",
    "Sweep",
    "__version__",
    "compare",
    "dry_run",
    "load_results",
    "load_sweep",
    "plan",
    "run",
    "scorer",
]

_HOMES = {
    **dict.fromkeys(
        ("Results", "compare", "dry_run", "load_results", "load_sweep", "plan", "run"), "evalharness._front"
    ),
    "ImageScorer": "evalharness._scorer",
    "scorer": "evalharness._scorer",
    "Sweep": "evalharness.config.schema",
    "Plan": "evalharness.planning.plan",
    "Item": "evalharness.types.item",
    "Score": "evalharness.types.score",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evalharness' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
