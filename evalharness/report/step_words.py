"""The text of a step for people: its parts by their names instead of the model's markers."""

from __future__ import annotations

import re

NAMES = {"ins": "Next: ", "des": "The scene then: ", "inspect": "", "refine": "", "think": "", "text": ""}
"""Markers of the formats, and what stands in their place; the stage's own name stands above the text."""
END = "Nothing is left to draw."
_PART = re.compile(rf"\s*<({'|'.join(NAMES)})>(?P<inner>[^<>]*)(?:</\1>|\Z)\s*")


def step_words(text: str) -> str:
    """A text without markers, a line for each part; a text whose markers are not in order stays as it is.

    >>> print(step_words("<ins> add a cat </ins> <des> a cat and a dog </des>"))
    Next: add a cat
    The scene then: a cat and a dog
    >>> step_words("<inspect> ok </inspect>"), step_words("<end>")
    ('ok', 'Nothing is left to draw.')
    >>> step_words("<refine> ok </inspect> <refine>")
    '<refine> ok </inspect> <refine>'
    """
    if text.strip() == "<end>":
        return END
    lines, place = [], 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            return text
        lines.append(NAMES[part[1]] + part["inner"].strip())
        place = part.end()
    return "\n".join(lines)
