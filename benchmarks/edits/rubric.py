"""This project's rubric for edits, and the parser of the judge's replies."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

from evalharness._util.hashing import digest
from evalharness._util.prompt_images import read as read_picture
from evalharness.judges.statements import MARKED, agreed, statements
from evalharness.types.item import Item
from evalharness.types.score import Score

SYSTEM = "You judge how well a picture was edited. You see it before and after."
TEXT = """The instruction was: {prompt}

Give two whole numbers from 0 to 10, each on a line of its own:
Followed: how far the second picture shows what the instruction asked for (10: all of it, 0: nothing)
Kept: how far all else is as it was in the first picture (10: all of it, 0: nothing)"""
NAMES = ("followed", "kept")
MARKS = tuple(map(str, range(11)))


class EditRubric:
    """A system message, then the instruction, the picture before the edit, and the picture after it."""

    name = "own rubric"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        """Chat messages (JSON) about an edit.

        Args:
            item: The edit.
            image: The picture after the edit, a PNG file in base64.

        Raises:
            SampleError: The picture before the edit is missing or has changed.
        """
        before = "" if item.picture is None else base64.b64encode(read_picture(item.picture)).decode("ascii")
        content = [
            {"type": "text", "text": TEXT.format(prompt=item.prompt)},
            {"type": "text", "text": "Before:"},
            _shown(before),
            {"type": "text", "text": "After:"},
            _shown(image),
        ]
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]

    def digest(self) -> str:
        return digest(self.messages(Item("", "{prompt}", "", {}), ""))


def read_reply(text: str) -> Score | None:
    """The score of a reply: the geometric mean of both numbers, divided by 10; ``None`` if it does not state both.

    An edit that changes everything, or nothing, therefore scores 0.

    >>> read_reply("Followed: 9\\nKept: 4").value
    0.6
    """
    stated = agreed(statements(text.split("\n"), NAMES, MARKS, MARKED), NAMES)
    if stated is None:
        return None
    value = math.sqrt(stated["followed"] * stated["kept"]) / 10
    reason = "" if value == 1 else f"followed {stated['followed']}, kept {stated['kept']}"
    return Score(value, reason, stated)


def _shown(image: str) -> Mapping[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
