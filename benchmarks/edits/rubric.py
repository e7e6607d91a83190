"""What a judge is told of an edit, and what its reply is worth. The words are this project's."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalharness._util.hashing import digest
from evalharness._util.prompt_images import read as read_picture
from evalharness.types.item import Item
from evalharness.types.score import Score

SYSTEM = "You judge how well a picture was edited. You see it before and after."
TEXT = """The instruction was: {prompt}

Give two whole numbers from 0 to 10, each on a line of its own:
Followed: how far the second picture shows what the instruction asked for (10: all of it, 0: nothing)
Kept: how far all else is as it was in the first picture (10: all of it, 0: nothing)"""
STATED = re.compile(r"^\W*(followed|kept)\W*:\W*(\d+)\W*$", re.IGNORECASE | re.MULTILINE)


class EditRubric:
    """A system message; the instruction, the picture before, the picture after."""

    name = "own rubric"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        """SampleError if the picture before is not there any more."""
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
    """The root of both numbers' product, over 10: an edit that changes all, or nothing, is worth nothing.

    >>> read_reply("Followed: 9\\nKept: 4").value
    0.6
    """
    stated: dict[str, int] = {}
    for name, number in STATED.findall(text):
        if int(number) > 10 or stated.setdefault(name.lower(), int(number)) != int(number):
            return None
    if set(stated) != {"followed", "kept"}:
        return None
    value = math.sqrt(stated["followed"] * stated["kept"]) / 10
    reason = "" if value == 1 else f"followed {stated['followed']}, kept {stated['kept']}"
    return Score(value, reason, dict(stated))


def _shown(image: str) -> Mapping[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
