"""The format of a model that was not trained on the process: a request in plain words precedes each stage.

There are no markers. The model's settings may replace the requests (``plan``, ``inspect``, ``refine``). Only the first
word of an answer counts: a plan that begins with "finished" ends the process, and an inspection that begins with "fine"
found no conflict. Other requests must ask for the same two words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from evalharness.api.format import Format, Stage

PLAN = (
    "The picture above is built up step by step. In two sentences, say what to add or change next, and what the whole "
    "picture will then show. If the picture already shows all that was asked for, answer with one word: finished."
)
INSPECT = (
    "Compare the picture with what was asked for: things, numbers, colours and places. If all is right, answer with "
    "one word: fine. Otherwise say in one sentence what is wrong."
)
REFINE = "Say in one sentence how to change the picture so that this is put right."
END = ("<|im_end|>",)


class Prompted(Format):
    """See the module's docstring.

    >>> Prompted({}).done("Finished."), Prompted({}).conflict("The cat is missing.")
    (True, True)
    """

    name: ClassVar[str] = "prompted"

    def __init__(self, words: Mapping[str, str]) -> None:
        self.plan = Stage("", END, 256, words.get("plan", PLAN))
        self.inspect = Stage("", END, 256, words.get("inspect", INSPECT))
        self.refine = Stage("", END, 256, words.get("refine", REFINE))

    def done(self, plan: str) -> bool:
        return _first_word(plan) == "finished"

    def conflict(self, inspection: str) -> bool:
        """Whether an inspection found a conflict; an empty answer did not."""
        return _first_word(inspection) not in ("", "fine")


def _first_word(answer: str) -> str:
    word = re.search(r"\w+", answer)
    return word[0].lower() if word else ""
