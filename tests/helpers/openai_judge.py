"""The judge ``openai`` at an endpoint on this machine, and questions for it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from judge_server import Answer, Call, completion

from evalharness.api.judge import JudgePrompt
from evalharness.judges.openai import OpenAI

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FAST = {"backoff": 0.01, "key_env": "JUDGE_KEY"}
OK = Answer(completion("Score: 1"))


def prompt(number: int, repeat: int = 0) -> JudgePrompt:
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    content = [{"type": "text", "text": f"question {number}"}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [{"role": "system", "content": "Ü \u2028 \x1f/"}, {"role": "user", "content": content}]
    return JudgePrompt(messages, "image", "rubric", 20, repeat)


def prompts(count: int) -> Iterator[tuple[int, JudgePrompt]]:
    return ((number, prompt(number)) for number in range(count))


def judge(url: str, **settings: Any) -> OpenAI:
    return OpenAI(OpenAI.Settings.model_validate({"model": "judge-1", "base_url": url, **FAST, **settings}))


def number_of(call: Call) -> int:
    return int(call.text.rsplit(" ", 1)[1])
