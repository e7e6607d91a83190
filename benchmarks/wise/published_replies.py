"""Parses replies as the published programs of WISE do, with their quirks: for scores that compare with published ones.

Facts of the programs (PKU-YuanGroup/WISE, ``vllm_eval.py`` and ``WISE_legacy/gpt_eval.py``), written anew here:

- A value follows its name after up to two asterisks, white space and one ASCII colon, in any case of letters; what
  stands before the name, and what follows the value, does not matter, so that ``Score: 1.0``, ``Score: 0 or 1`` and
  ``Overall_Score: 1`` have a score.
- Verified: the first such value counts, unless a digit or letter follows it. Without one, the only line that is 0 or 1.
  Thoughts in ``<think>`` are removed; a closing tag alone is removed, and what stands before it is read.
- Legacy: the last value of each name counts, any digit, so that a score can exceed 1. Without any name, the first three
  lines that are 0, 1 or 2. Thoughts are read like everything else.
"""

from __future__ import annotations

import re

from evalharness.types.score import Score

from .replies import SCALES, scales_score

OPENED, CLOSED = "<think>", "</think>"
AFTER_NAME = r"\*{,2}+\s*+(?::\s*+)?"
BIT = re.compile(rf"score{AFTER_NAME}(?P<bit>[01])(?!\w)", re.IGNORECASE)
MARK = re.compile(rf"(?P<name>{'|'.join(SCALES)}){AFTER_NAME}(?P<mark>\d)", re.IGNORECASE)
HIGHEST_MARK = 9
LEGACY_RANGE = (0.0, HIGHEST_MARK / 2)
"""Three marks of 9 have the value 4.5."""


def read_published_bit(text: str) -> Score | None:
    """Read a reply as the published program of WISE_Verified does.

    >>> read_published_bit("Score: 1.0").value, read_published_bit("Score: 0 or Score: 1").value
    (1.0, 0.0)
    """
    answer = _without_published_thoughts(text)
    stated = BIT.search(answer)
    bits = [stated["bit"]] if stated else _bare(answer, "01")
    if len(bits) != 1:
        return None
    return Score(1.0) if bits == ["1"] else Score(0.0, "judged 0")


def read_published_scales(text: str) -> Score | None:
    """Read a reply as the published program of the WISE paper does.

    >>> read_published_scales("Consistency: 2/2\\nRealism: 1 of 2\\nAesthetic Quality: 0").value
    0.8
    """
    stated = {match["name"].lower(): int(match["mark"]) for match in MARK.finditer(text)}
    if not stated:
        stated = dict(zip(SCALES, map(int, _bare(text, "012")), strict=False))
    return scales_score([stated[name] for name in SCALES]) if stated.keys() >= set(SCALES) else None


def _bare(text: str, values: str) -> list[str]:
    """The lines that are one of the values."""
    return [line for line in map(str.strip, text.split("\n")) if line in tuple(values)]


def _without_published_thoughts(text: str) -> str:
    kept, start = [], 0
    while (opened := text.find(OPENED, start)) >= 0 and (closed := text.find(CLOSED, opened)) >= 0:
        kept.append(text[start:opened])
        start = closed + len(CLOSED)
        while start < len(text) and text[start].isspace():
            start += 1
    first, *others = ("".join(kept) + text[start:]).split(CLOSED)
    return first + "".join(other.lstrip() for other in others)
