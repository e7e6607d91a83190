"""From a judge's reply to a score, or to none: pure functions of any text.

What the protocol describes is read as it describes it. Where it is silent, a reply has no score and the judge is asked
again; nothing is guessed. So there is no score

- where values contradict each other (``Score: 0 or Score: 1``), or one is none of the scale's (``Score: 10``, ``-1``);
- where more than the value is stated: a digit or a per cent sign further on in the line (``1.5``, ``1/2``, ``1 %``);
- where anything but asterisks and then a colon stands between name and value (``Score = 1``, ``**Score:** 1``), or the
  name is part of another word;
- in thoughts, also where their ``<think>`` is not closed, or was opened before the reply and is only closed in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from evalharness.types.score import Score

TAG = re.compile(r"(</?think>)", re.IGNORECASE)
NUMBER = re.compile(r"[-+]?\d[\d.,/%]*")
BETWEEN = re.compile(r"\**\s*+(?:[:\uff1a]\s*+)?")
"""Of name and value: asterisks, then a colon, which may be the full-width one."""
MORE = re.compile(r"[\d%]")
SCALES = ("consistency", "realism", "aesthetic quality")


def read_bit(text: str) -> Score | None:
    """WISE_Verified: ``Score: 0`` or ``Score: 1``; without any such label, the only line that is a number.

    >>> read_bit("**Score**: 1").value, read_bit("Score: 10")
    (1.0, None)
    """
    lines = without_thoughts(text).split("\n")
    stated = [value for _, value in _statements(lines, ("score",), "01")]
    if not stated:
        stated = _bare(lines, "01")
        if len(stated) > 1:
            return None
    values = set(stated)
    if len(values) != 1 or None in values:
        return None
    return Score(1.0) if values == {"1"} else Score(0.0, "judged 0")


def read_scales(text: str) -> Score | None:
    """WISE legacy: consistency, realism and aesthetic quality, 0 to 2; without labels, the first three number lines.

    The value is (0.7 consistency + 0.2 realism + 0.1 aesthetic quality) / 2.

    >>> read_scales("Consistency: 2\\nRealism: 1\\nAesthetic Quality: 0").value
    0.8
    """
    lines = without_thoughts(text).split("\n")
    labelled = list(_statements(lines, SCALES, "012"))
    pairs = labelled or list(zip(SCALES, _bare(lines, "012"), strict=False))
    stated: dict[str, str] = {}
    for name, value in pairs:
        if value is None or stated.setdefault(name, value) != value:
            return None
    if len(stated) < len(SCALES):
        return None
    marks = [int(stated[name]) for name in SCALES]
    total = (7 * marks[0] + 2 * marks[1] + marks[2]) / 20  # the same, and not a hair above 1
    by_scale = dict(zip(SCALES, marks, strict=True))
    reason = "" if total == 1 else ", ".join(f"{name} {mark}" for name, mark in by_scale.items())
    return Score(total, reason, {name.replace(" ", "_"): mark for name, mark in by_scale.items()})


def without_thoughts(text: str) -> str:
    """The text without thoughts. They end where the text ends, and begin where it begins, if a tag is missing."""
    kept: list[str] = []
    thinking = False
    for part in TAG.split(text):
        tag = part.lower()
        if tag == "<think>":
            thinking = True
        elif tag == "</think>":
            kept = kept if thinking else []
            thinking = False
        elif not thinking:
            kept.append(part)
    return "".join(kept)


def _statements(lines: Sequence[str], names: Sequence[str], values: str) -> Iterator[tuple[str, str | None]]:
    """Each name, in lower case, with the number after it; ``None`` if that is none of the values, or not alone."""
    label = re.compile(rf"(?<!\w)({'|'.join(names)})([^\w]*+)(\d)", re.IGNORECASE)
    for line in lines:
        matches = list(label.finditer(line))
        for match, following in zip_longest(matches, matches[1:]):
            rest = line[match.end() : following.start() if following else len(line)]
            proper = BETWEEN.fullmatch(match[2]) and match[3] in values
            alone = not re.match(r"\w", rest) and not MORE.search(rest)
            yield match[1].lower(), match[3] if proper and alone else None


def _bare(lines: Sequence[str], values: str) -> list[str | None]:
    """The lines that are a number; ``None`` for one that is none of the values."""
    numbers = [line.strip() for line in lines if NUMBER.fullmatch(line.strip())]
    return [number if number in tuple(values) else None for number in numbers]
