"""A benchmark whose judge replies so many times with nothing that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field

from evalharness._util.hashing import digest
from evalharness.judges.judged_benchmark import JudgedBenchmark, JudgedSettings
from evalharness.testing import MockJudge
from evalharness.types.item import Item, PromptSet
from evalharness.types.score import Score


class MumblingJudge(MockJudge):
    class Settings(MockJudge.Settings):
        """``mumbles``: number of replies about each image before the first that can be read."""

        mumbles: int = 0

    name = "mumbling"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, lambda prompt: "Score: 1" if prompt.tried >= settings.mumbles else "hm")

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, "mumbles": self.settings.mumbles}


class PlainRubric:
    name = "plain"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        return [{"role": "user", "content": f"{item.prompt} {image}"}]

    def digest(self) -> str:
        return digest(self.name)


class RatedBenchmark(JudgedBenchmark):
    class Settings(JudgedSettings):
        model_config = ConfigDict(extra="forbid", frozen=True)

        items: int = Field(default=2, ge=1)

    name, version, max_tokens, images_per_prompt = "rated", "1", 8, 1
    weights: Mapping[str, float] = {"all": 1.0}

    def __init__(self, settings: Settings) -> None:
        self.settings: RatedBenchmark.Settings = settings

    def prompt_set(self) -> PromptSet:
        return PromptSet("rated", "0" * 64)

    def items(self) -> list[Item]:
        return [Item(str(number), f"rated {number}", "all", {}) for number in range(self.settings.items)]

    @staticmethod
    def read(text: str) -> Score | None:
        return Score(1.0) if text == "Score: 1" else None

    def rubric(self) -> PlainRubric:
        return PlainRubric()


PLUGINS: dict[str, Any] = {"benchmarks": [RatedBenchmark], "judges": [MumblingJudge]}
