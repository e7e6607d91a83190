"""The words and the style of a verdict, the same on all pages."""

from __future__ import annotations

from typing import NamedTuple

from evalharness.types.score import is_right


class Verdict(NamedTuple):
    """``style``: its CSS class."""

    style: str
    words: str


def verdict(state: str, score: float) -> Verdict:
    """The verdict on a sample's image by the state of the sample and its score.

    >>> verdict("scored", 0.5)
    Verdict(style='partly', words='◐ partly right (0.50)')
    """
    if state == "failed":
        return Verdict("failed", "! failed")
    if state != "scored":
        return Verdict("pending", "… not scored")
    if is_right(score):
        return Verdict("right", "✓ right")
    if score > 0:
        return Verdict("partly", f"◐ partly right ({score:.2f})")
    return Verdict("wrong", "✗ wrong")
