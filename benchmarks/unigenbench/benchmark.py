"""The benchmark ``unigenbench``: 600 prompts whose test points a judge marks, in English or Chinese, short or long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from evalharness._util.hashing import digest
from evalharness.api.model_names import asked_model, same_model
from evalharness.assets.asset import Asset, require_file
from evalharness.judges.judged_benchmark import JudgedSettings, PromptFileBenchmark, shares
from evalharness.judges.parsing import OFFICIAL, Parser
from evalharness.types.item import Item, ItemField
from evalharness.types.score import Score

from . import published
from .published import PROMPTS, SCRIPT, Instructions, Language
from .replies import counted, read_reply

COMMAND = "evalharness fetch unigenbench"
PROTOCOL_JUDGES = (
    "gemini-2.5-pro",
    "CodeGoat24/UniGenBench-EvalModel-qwen3vl-32b-v1",
    "CodeGoat24/UniGenBench-EvalModel-qwen-72b-v1",
)
Set = Literal["en", "en_long", "zh", "zh_long"]
Order = Literal["text-first", "image-first"]


@dataclass(frozen=True)
class Rubric:
    """The published instructions and the image, in one message."""

    instructions: Instructions
    order: Order

    name = "published instructions"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        points = item.metadata
        text = self.instructions.text(points["prompt"], points["points"], points["descriptions"])
        content = [
            {"type": "text", "text": text},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
        ]
        return [{"role": "user", "content": content if self.order == "text-first" else content[::-1]}]

    def digest(self) -> str:
        return digest([self.instructions.digest(), self.order])


class UniGenBench(PromptFileBenchmark):
    """UniGenBench++. Source: arXiv 2510.18701, ``eval_common.py`` of CodeGoat24/UniGenBench.

    The score of an image is the share of its test points that hold, the overall score the mean over the images; the
    published program has neither, but the means over all test points of each of 10 primary and 27 sub-dimensions, which
    are the aspects here. Categories are the prompts' themes.
    """

    name = "unigenbench"
    images_per_prompt = 4
    max_tokens = 4096
    item_fields: ClassVar[Sequence[ItemField]] = ("metadata",)
    assets: ClassVar[tuple[Asset, ...]] = (*PROMPTS.values(), SCRIPT)
    read = staticmethod(read_reply)

    class Settings(JudgedSettings):
        """The settings of every judged benchmark, and these.

        Attributes:
            prompts: English or Chinese, short or long; or a file in that format.
            language: Of the instructions; by default that of the prompts, for a file English.
            script: A file with instructions in the form of the published script, of which nothing is executed.
            order: Whether the text or the image comes first: as published for Gemini, and for the released judges.
        """

        prompts: Set | Path = "en"
        language: Language | None = None
        script: Literal["published"] | Path = "published"
        order: Order = "text-first"

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def weights(self) -> Mapping[str, float]:  # type: ignore[override]
        """The share of each theme: the overall score is the mean over all images."""
        return shares(self.items())

    def title(self) -> str:
        return f"UniGenBench++ ({self.prompt_name()})"

    def notes(self) -> list[str]:
        """Whether the judge is a published one, and asked as published."""
        notes = ["the published results are the dimensions below; the overall score is this project's."]
        model = asked_model(self._judge.identity())
        if not any(same_model(model, judge) for judge in PROTOCOL_JUDGES):
            notes.append(f"the published judges are {', '.join(PROTOCOL_JUDGES)}; {model} is none of them.")
        usual: Order = "text-first" if same_model(model, PROTOCOL_JUDGES[0]) else "image-first"
        if self.settings.order != usual:
            notes.append(f"this judge is published with order: {usual}.")
        if self.settings.prompts == "en_long":
            notes.append("a comma is missing in prompt 509 of the published file, which is read as if it were there.")
        return notes

    def prompt_name(self) -> str:
        chosen = self.settings.prompts
        return chosen.name if isinstance(chosen, Path) else chosen

    def rubric(self) -> Rubric:
        return Rubric(self._instructions, self.settings.order)

    def parser(self) -> Parser:
        """The published reader of replies, which takes literals in two tags wherever they stand."""
        return Parser(OFFICIAL, read_reply, unchanged=True)

    def fit(self, item: Item, stated: Score) -> Score | None:
        return counted(item, stated)

    @cached_property
    def _instructions(self) -> Instructions:
        chosen = self.settings
        path = require_file(SCRIPT, COMMAND) if chosen.script == "published" else Path(chosen.script)
        usual: Language = (
            "zh" if str(chosen.prompts).startswith("zh") and not isinstance(chosen.prompts, Path) else "en"
        )
        return published.read_instructions(path, chosen.language or usual)

    def read_items(self) -> list[Item]:
        chosen = self.settings.prompts
        path = chosen if isinstance(chosen, Path) else require_file(PROMPTS[chosen], COMMAND)
        return published.read_prompts(path, self._instructions)
