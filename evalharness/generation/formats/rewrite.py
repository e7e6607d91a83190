"""The format of any writer that rewrites the prompt before it is drawn: a request in plain words, and its answer.

The model's settings may replace the request (``rewrite``). There is no process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from evalharness.api.format import Format, Stage

REWRITE = (
    "Rewrite the text above as the prompt for a painter who reads nothing else. Keep every thing, number, colour and "
    "place that it asks for, replace riddles and knowledge by what is to be seen, and add details that fit. Answer "
    "with the new prompt alone."
)


class Rewrite(Format):
    """See the module's docstring."""

    name: ClassVar[str] = "rewrite"
    think: Stage | None = Stage("", ("<|im_end|>",), 512, REWRITE)

    def __init__(self, words: Mapping[str, str]) -> None:
        self.think = Stage("", ("<|im_end|>",), 512, words.get("rewrite", REWRITE))

    def done(self, plan: str) -> bool:
        return True
