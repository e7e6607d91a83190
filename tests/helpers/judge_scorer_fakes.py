"""A judge that says what it is told to, and a benchmark's rubric and parser for it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from evalharness.api.benchmark import ScoreRequest
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.errors import SampleError
from evalharness.judges.judge_scorer import RubricScorer
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score

Answer = Callable[[JudgePrompt, int], str | SampleError | None]
"""What a judge replies to a prompt, given how often it was asked before; ``None``: it loses the prompt."""


class FakeJudge(Judge):
    """Takes ``places`` prompts at a time and answers the last one first."""

    def __init__(self, answer: Answer, name: str = "fake", places: int = 3) -> None:
        self.answer, self.name, self.places = answer, name, places
        self.asked: list[JudgePrompt] = []
        self.rounds = 0
        self.most = 0

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        self.rounds += 1
        source, open_ = iter(prompts), list[tuple[int, JudgePrompt]]()
        while True:
            while len(open_) < self.places and (prompt := next(source, None)) is not None:
                open_.append(prompt)
            if not open_:
                return
            self.most = max(self.most, len(open_))
            number, asked = open_.pop()
            said = self.answer(asked, Counter(one.key() for one in self.asked)[asked.key()])
            self.asked.append(asked)
            if said is not None:
                yield number, said if isinstance(said, SampleError) else Reply(said, "stop", 10, 2, 0.25, 0.5)


class KeptReplies:
    """Replies in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Reply]] = {}

    def get(self, key: str) -> list[Reply]:
        return list(self.kept.get(key, []))

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        self.kept.setdefault(key, []).append(reply)


class FakeRubric:
    name = "fake rubric"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        return [{"role": "user", "content": [{"text": item.prompt}, {"url": f"data:image/png;base64,{image}"}]}]

    def digest(self) -> str:
        return "r" * 64


def read(text: str) -> Score | None:
    return Score(float(text), f"said {text}", {"bit": text}) if text in ("0", "1") else None


def scorer(judge: FakeJudge, **other: Any) -> RubricScorer:
    return RubricScorer("fake 1", judge, FakeRubric(), read, 50, **other)


def request(number: int, *, retry: bool = False) -> ScoreRequest:
    image = f"image {number}".encode()
    item = Item(str(number), f"thing {number}", "a", {"number": number})
    return ScoreRequest(f"key {number}", item, image, hashlib.sha256(image).hexdigest(), retry)


def prompt_text(prompt: JudgePrompt) -> str:
    text: str = prompt.messages[0]["content"][0]["text"]
    return text
