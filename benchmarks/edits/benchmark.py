"""The benchmark ``edits``: pictures and instructions of your own, judged before and after."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from evalharness.benchmark import Check, Item, PromptSet
from evalharness.judges.base import Judge
from evalharness.judges.panel import JudgePanel
from evalharness.judges.settings import JudgedSettings
from evalharness.seeds import digest

from . import items
from .rubric import EditRubric, read_reply

MAX_TOKENS = 256


class Edits:
    """Its protocol is this project's own; the score of a category is the mean of its items, the overall score the mean
    of the categories."""

    name = "edits"
    version = "1"
    images_per_prompt = 1

    class Settings(JudgedSettings):
        """``prompts``: a file of edits."""

        prompts: Path

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def weights(self) -> Mapping[str, float]:
        categories = list(dict.fromkeys(item.category for item in self._items))
        return {category: 1 / len(categories) for category in categories}

    def items(self) -> list[Item]:
        return self._items

    def prompt_set(self) -> PromptSet:
        content = [[item.id, item.prompt, item.category, dict(item.metadata)] for item in self._items]
        return PromptSet(self.settings.prompts.name, digest(content))

    def scorer(self) -> JudgePanel:
        return self._panel(self._judge, others=self._others)

    def checks(self) -> list[Check]:
        again = range(1, self.settings.judge_repeats)
        found = [
            Check(f"repeat {number}", "repeat", self._panel(self._judge, repeat=number), self.settings.repeat_items)
            for number in again
        ]
        return found + [Check("second judge", "second", self._panel(judge)) for judge in self._others]

    def notes(self) -> list[str]:
        return ["judged by this project's own rubric for edits: comparable with itself alone."]

    def _panel(self, judge: Judge, *, repeat: int = 0, others: tuple[Judge, ...] = ()) -> JudgePanel:
        return JudgePanel(f"{self.name} {self.version}", judge, EditRubric(), read_reply, MAX_TOKENS, repeat, others)

    @cached_property
    def _items(self) -> list[Item]:
        return items.read(self.settings.prompts)

    @cached_property
    def _judge(self) -> Judge:
        judge: Judge = self.settings.judge.build()
        return judge

    @cached_property
    def _others(self) -> tuple[Judge, ...]:
        return () if self.settings.second_judge is None else (self.settings.second_judge.build(),)
