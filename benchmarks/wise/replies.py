"""Parses the scores in a judge's answers strictly. These are pure functions, which accept any text.

An answer in the form that the protocol describes has a score. Nothing is guessed about any other: it has no score, and
the judge is asked again. In particular there is no score

- if values contradict each other (``Score: 0 or Score: 1``), or one is not on the scale (``Score: 10``, ``-1``);
- if the line goes on with a digit or a per cent sign after the value (``1.5``, ``1/2``, ``1 %``);
- if anything but asterisks and then a colon stands between name and value (``Score = 1``, ``**Score:** 1``), or the
  name is part of another word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalharness.judges.statements import statements
from evalharness.types.score import Score

NUMBER = re.compile(r"[-+]?\d[\d.,/%]*")
SCALES = ("consistency", "realism", "aesthetic quality")


def read_bit(text: str) -> Score | None:
    """Read an answer for WISE_Verified: ``Score: 0`` or ``Score: 1``, or else the only line that is a number.

    >>> read_bit("**Score**: 1").value, read_bit("Score: 10")
    (1.0, None)
    """
    lines = text.split("\n")
    stated = [value for _, value in statements(lines, ("score",), tuple("01"))]
    if not stated:
        stated = _bare(lines, "01")
        if len(stated) > 1:
            return None
    values = set(stated)
    if len(values) != 1 or None in values:
        return None
    return Score(1.0) if values == {"1"} else Score(0.0, "judged 0")


def read_scales(text: str) -> Score | None:
    """Read an answer for WISE legacy: consistency, realism and aesthetic quality, each from 0 to 2.

    Without labels, the first three lines that are numbers count. The value is
    (0.7 consistency + 0.2 realism + 0.1 aesthetic quality) / 2.

    >>> read_scales("Consistency: 2\\nRealism: 1\\nAesthetic Quality: 0").value
    0.8
    """
    lines = text.split("\n")
    labelled = list(statements(lines, SCALES, tuple("012")))
    pairs = labelled or list(zip(SCALES, _bare(lines, "012"), strict=False))
    stated: dict[str, str] = {}
    for name, value in pairs:
        if value is None or stated.setdefault(name, value) != value:
            return None
    if len(stated) < len(SCALES):
        return None
    return scales_score([int(stated[name]) for name in SCALES])


def scales_score(marks: Sequence[int]) -> Score:
    """The score of three marks, in the order of :data:`SCALES`."""
    total = (7 * marks[0] + 2 * marks[1] + marks[2]) / 20  # in whole numbers, so that rounding cannot exceed 1
    by_scale = dict(zip(SCALES, marks, strict=True))
    best = all(mark == 2 for mark in marks)
    reason = "" if best else ", ".join(f"{name} {mark}" for name, mark in by_scale.items())
    return Score(total, reason, {name.replace(" ", "_"): mark for name, mark in by_scale.items()})


def _bare(lines: Sequence[str], values: str) -> list[str | None]:
    """The lines that consist of a number; ``None`` stands for a number that is not a valid value."""
    numbers = [line.strip() for line in lines if NUMBER.fullmatch(line.strip())]
    return [number if number in tuple(values) else None for number in numbers]
