"""What the figures choose to show where not all finds room."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from evalharness.analysis.stats import Estimate
from evalharness.report.figures.difference_plots import MAX_ARMS, forest


def contrast(arm: str, *, preregistered: bool) -> Any:
    return SimpleNamespace(
        arm=arm,
        baseline="full",
        preregistered=preregistered,
        difference=Estimate(0.1, 0.0, 0.2),
        categories={"position": Estimate(0.1, 0.0, 0.2)},
    )


def drawn(count: int, preregistered: set[int]) -> tuple[list[str], str]:
    contrasts = {str(n): contrast(str(n), preregistered=n in preregistered) for n in range(count)}
    table: Any = SimpleNamespace(title="T", analysis=SimpleNamespace(contrast=contrasts.get, weights={"position": 1.0}))
    sketch = forest(table, list(contrasts), [])
    assert sketch is not None
    return [sentence.split(" against ")[0] for sentence in sketch.alt.split(". ")[1:]], sketch.caption


def test_a_forest_plot_shows_first_what_was_declared_before_the_run() -> None:
    arms, caption = drawn(8, {3, 6, 7})
    assert arms == ["3", "6", "7", "0", "1"]
    assert f"{MAX_ARMS} arms of 8" in caption


def test_a_forest_plot_that_has_room_shows_all() -> None:
    arms, caption = drawn(MAX_ARMS, set())
    assert arms == ["0", "1", "2", "3", "4"] and "arms of" not in caption
