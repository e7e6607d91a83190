"""The format of "Think in Strokes, Not Pixels" (arXiv 2604.04746): ``<ins>``, ``<des>``, ``<refine>``.

A plan is an instruction and a description of the complete scene so far; ``<end>`` in its place ends the process. An
inspection is ``ok`` or names a conflict, and a refinement says how to resolve it. The paper's summaries give no markers
for the inspection and the end, so ``<inspect>`` and ``<end>`` are this project's.
"""

from __future__ import annotations

import re
from typing import ClassVar

from evalharness.api.format import Format, Stage

_INSPECTION = re.compile(r"<inspect>(.*?)(?:</inspect>|$)", re.DOTALL)


def inner(text: str, marker: str) -> str:
    """The text between two markers, or up to the end if the closing marker is missing.

    >>> inner("<ins> add a cat </ins> <des> a cat", "ins"), inner("<ins> add a cat </ins> <des> a cat", "des")
    ('add a cat', 'a cat')
    """
    return text.partition(f"<{marker}>")[2].partition(f"</{marker}>")[0].strip()


def wrap(text: str, marker: str) -> str:
    """Put a text between two markers; the inverse of :func:`inner`.

    >>> wrap("add a cat", "ins")
    '<ins> add a cat </ins>'
    """
    return f"<{marker}> {text} </{marker}>"


def plan_text(instruction: str, description: str) -> str:
    """A plan: an instruction, then the description of the complete scene."""
    return f"{wrap(instruction, 'ins')} {wrap(description, 'des')}"


class Strokes(Format):
    """See the module's docstring.

    >>> Strokes({}).conflict("<inspect> one cat too many </inspect>")
    True
    """

    name: ClassVar[str] = "strokes"
    think = Stage("<think>", ("</think>",), 64)
    plan = Stage("<ins>", ("</des>", "<end>"), 96)
    inspect = Stage("<inspect>", ("</inspect>",), 48)
    refine = Stage("<refine>", ("</refine>",), 32)

    def prompt(self, text: str) -> str:
        return wrap(text, "text")

    def done(self, plan: str) -> bool:
        return "<end>" in plan

    def conflict(self, inspection: str) -> bool:
        """Whether an inspection names a conflict; one that cannot be parsed does not."""
        match = _INSPECTION.search(inspection)
        return match is not None and match[1].strip().lower() not in {"", "ok"}
