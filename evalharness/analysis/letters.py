"""What runs are called where several are compared: letters, in their order."""

from __future__ import annotations

import string

LETTERS = string.ascii_uppercase


def letter(run: int) -> str:
    """The letter of a run, by its place among those that are compared."""
    return LETTERS[run]


def labelled(run: int, arm: str) -> str:
    """The name of an arm of a run among those of others.

    >>> labelled(1, "single-pass")
    'B single-pass'
    """
    return f"{letter(run)} {arm}"
