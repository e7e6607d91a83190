"""A chat model that looks at images, on top of judge_server: what it writes follows from all that it is sent."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from judge_server import Answer, Call, completion

WRONG = "The colour is wrong"


def chatting(call: Call) -> Answer:
    """A plan, an inspection that finds fault with every second picture, or a correction."""
    return Answer(completion(said(call.body["messages"])))


def said(messages: Sequence[dict[str, Any]]) -> str:
    """What the model answers to a conversation."""
    digest = hashlib.sha256(json.dumps(messages).encode()).hexdigest()
    request = messages[-1]["content"][-1]["text"]
    if "one word: finished" in request:
        return "Finished." if images(messages) and int(digest, 16) % 7 == 0 else f"Draw a {digest[:6]} dog."
    if "one word: fine" in request:
        return "Fine." if int(digest, 16) % 2 else f"{WRONG}, {digest[:4]}."
    return f"Make it {digest[:6]}."


def images(messages: Sequence[dict[str, Any]]) -> list[bytes]:
    """The files of the pictures in a conversation."""
    parts = [part for message in messages for part in message["content"] if isinstance(part, dict)]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [base64.b64decode(url.partition(",")[2]) for url in urls]
