"""BAGEL's own way of thinking before it draws: no markers that matter, one text up to the end of its turn.

What tells it to think is a system prompt, which is a setting of the model. It has no process.
"""

from __future__ import annotations

from typing import ClassVar

from evalharness.formats.base import Stage


class Bagel:
    """See the module's docstring."""

    name: ClassVar[str] = "bagel"
    think = Stage("", ("<|im_end|>",), 32_768)
    plan = None
    inspect = None
    refine = None

    def prompt(self, text: str) -> str:
        return text

    def done(self, plan: str) -> bool:
        return True

    def conflict(self, inspection: str) -> bool:
        return False
