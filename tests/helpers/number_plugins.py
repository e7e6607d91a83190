"""Mocks that return numbers of NumPy, numbers that are none, and what is no number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from judged_benchmark import AskedBenchmark, AskOnceScorer
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.image_files import png_bytes
from evalharness.api.benchmark import ScoreRequest
from evalharness.api.judge import Judge, Replies
from evalharness.api.model import Drawn, ImageRequest, RemoteImageModel
from evalharness.api.plugin import Plugin
from evalharness.errors import NotFiniteError, SampleError
from evalharness.testing import MockBenchmark, MockModel, MockScorer
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, Step

VALUES: dict[str, Any] = {
    "float16": np.float16(0.5),
    "float32": np.float32(0.25),
    "int64": np.int64(1),
    "bool": np.bool_(True),
    "nan": float("nan"),
    "inf": np.float32("inf"),
    "text": "0.5",
}
COUNTS: dict[str, Any] = {"int64": np.int64(3), "float": 3.0, "nan": float("nan"), "text": "3"}


class NumberModel(MockModel):
    """Counts its sampler steps in a number of the type that ``evaluations`` names."""

    class Settings(MockModel.Settings):
        """``broken``: words of prompts for which its network computes NaN. ``image``: ``drawn`` as the mock does;
        ``blank``, ``clear`` or ``same``, for all prompts; ``one blank`` or ``one clear``, for one of them."""

        evaluations: str = "int64"
        broken: tuple[str, ...] = ()
        image: str = "drawn"

    name = "numbers"
    settings: Settings

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        if any(word in prompt for word in self.settings.broken for prompt in prompts):
            raise NotFiniteError("12 of 48 numbers of the latents are NaN or infinite")
        count = COUNTS[self.settings.evaluations]
        made = super().paint(prompts, seeds)
        return [Drawn(self._replaced(drawn.image, prompt), count) for drawn, prompt in zip(made, prompts, strict=True)]

    def _replaced(self, image: Image.Image, prompt: str) -> Image.Image:
        kind = self.settings.image
        if kind == "blank" or (kind == "one blank" and prompt == "thing 1"):
            return Image.new("RGB", image.size, (len(prompt), 0, 0))
        if kind == "clear" or kind == "one clear":
            alpha = 0 if kind == "clear" or prompt == "thing 1" else 255
            return Image.merge("RGBA", (*image.split(), Image.new("L", image.size, alpha)))
        return Image.linear_gradient("L").convert("RGB") if kind == "same" else image


class NumberScorer(MockScorer):
    """Gives each image the value that ``value`` names, or raises as a network does that computes NaN."""

    def __init__(self, value: str, detail: str) -> None:
        super().__init__()
        self.value, self.detail = value, detail

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        if self.value == "network":
            raise NotFiniteError("3 of 9 numbers of the class logits are NaN or infinite")
        boxes = np.arange(4, dtype=np.float32)
        details = {"box": boxes, "pair": (np.int32(1), None), "score": VALUES[self.detail], 7: True}
        return [Score(VALUES[self.value], "", details) for _ in images]


class NumberBenchmark(MockBenchmark):
    class Settings(MockBenchmark.Settings):
        value: str = "float32"
        detail: str = "float16"

    name = "numbers"
    images_per_prompt = 1
    settings: Settings

    def scorer(self) -> NumberScorer:
        return NumberScorer(self.settings.value, self.settings.detail)


class NumberEndpoint(RemoteImageModel):
    """A service that charges what ``dollars`` names."""

    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        dollars: str = "float32"

    name = "number-endpoint"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def identity(self) -> dict[str, Any]:
        return {"name": self.name}

    def generate(self, requests: Iterable[tuple[int, ImageRequest]]) -> Iterator[tuple[int, Step | SampleError]]:
        for number, request in requests:
            image = png_bytes(Image.linear_gradient("L").rotate(request.seed % 360))
            yield number, Step("draw", image=image, cost=Cost(dollars=VALUES[self.settings.dollars]))


class NumberJudgeScorer(AskOnceScorer):
    """Gives each image the value that ``value`` names; a reply costs what ``cost`` names."""

    def __init__(self, judge: Judge, value: str, cost: str, *, in_process: bool) -> None:
        super().__init__(judge)
        self.value, self.cost, self.in_process = value, cost, in_process

    def judge(
        self, requests: Iterable[ScoreRequest], replies: Replies
    ) -> Iterator[tuple[ScoreRequest, Score | SampleError]]:
        for request in requests:
            prompt = self.prompt(request)
            replies.add(prompt.key(), prompt, "judge", Reply("yes", cost=VALUES[self.cost]))
            yield request, Score(VALUES[self.value])


class JudgedNumbers(AskedBenchmark):
    class Settings(AskedBenchmark.Settings):
        items: int = 4
        judge: dict[str, Any] = Field(default_factory=lambda: {"name": "mock"})
        value: str = "float32"
        cost: str = "float32"
        in_process: bool = False

    name = "judged-numbers"
    settings: Settings

    def scorer(self) -> NumberJudgeScorer:
        chosen, (judge,) = self.settings, super().scorer().judges
        return NumberJudgeScorer(judge, chosen.value, chosen.cost, in_process=chosen.in_process)


PLUGINS: dict[str, list[type[Plugin]]] = {
    "models": [NumberModel, NumberEndpoint],
    "benchmarks": [NumberBenchmark, JudgedNumbers],
}
