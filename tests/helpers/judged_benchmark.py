"""The benchmark ``asked``, whose images a judge of the sweep file scores."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness._util.hashing import digest
from evalharness.api import registry
from evalharness.api.benchmark import Benchmark, JudgeScorer, ScoreRequest
from evalharness.api.judge import Judge, JudgePrompt, Replies, reply_key
from evalharness.errors import SampleError
from evalharness.types.item import Item, PromptSet
from evalharness.types.reply import Reply
from evalharness.types.score import Score


class AskOnceScorer(JudgeScorer):
    """Asks once; a reply without a score is a failure."""

    def __init__(self, judge: Judge) -> None:
        self.judges = (judge,)

    def identity(self) -> Mapping[str, Any]:
        return {"protocol": "1", "judge": self.judges[0].identity()}

    def judge(
        self, requests: Iterable[ScoreRequest], replies: Replies
    ) -> Iterator[tuple[ScoreRequest, Score | SampleError]]:
        (judge,) = self.judges
        name = digest(dict(judge.identity()))
        sent: list[tuple[ScoreRequest, JudgePrompt]] = []
        stored: list[tuple[ScoreRequest, Reply]] = []

        def prompts() -> Iterator[tuple[int, JudgePrompt]]:
            for request in requests:
                prompt = self.prompt(request)
                if earlier := replies.get(reply_key(name, prompt)):
                    stored.append((request, earlier[-1]))
                    continue
                sent.append((request, prompt))
                yield len(sent) - 1, prompt

        for number, reply in judge.ask(prompts()):
            request, prompt = sent[number]
            if isinstance(reply, Reply):
                replies.add(reply_key(name, prompt), prompt, name, reply)
            yield request, self.score(reply)
        for request, reply in stored:
            yield request, self.score(reply)

    @staticmethod
    def prompt(request: ScoreRequest) -> JudgePrompt:
        url = "data:image/png;base64," + base64.b64encode(request.image).decode()
        content = [{"type": "text", "text": request.item.prompt}, {"type": "image_url", "image_url": {"url": url}}]
        return JudgePrompt([{"role": "user", "content": content}], request.digest, "rubric", 20)

    @staticmethod
    def score(reply: Reply | SampleError) -> Score | SampleError:
        if isinstance(reply, SampleError):
            return reply
        match = re.search(r"Score: ([01])", reply.text)
        if match is None:
            return SampleError(f"no score: {reply.text!r}")
        return Score(int(match[1]), "", {"reply": reply.text})


class AskedBenchmark(Benchmark):
    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        items: int
        judge: dict[str, Any]

    name = "asked"
    version = "1"
    weights: Mapping[str, float] = {"all": 1.0}
    images_per_prompt = 1

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def prompt_set(self) -> PromptSet:
        return PromptSet("original", "0" * 64)

    def items(self) -> list[Item]:
        return [Item(str(number), f"question {number}", "all", {}) for number in range(self.settings.items)]

    def scorer(self) -> AskOnceScorer:
        settings = dict(self.settings.judge)
        plugin = registry.load("judges", settings.pop("name"))
        return AskOnceScorer(plugin(plugin.Settings.model_validate(settings)))
