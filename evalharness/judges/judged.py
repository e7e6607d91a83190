"""What benchmarks that a judge scores have in common: who is asked, how often, and who is asked besides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from evalharness.api.benchmark import Rescoring
from evalharness.api.judge import Judge
from evalharness.judges.panel import JudgePanel, Rubric
from evalharness.judges.settings import JudgedSettings
from evalharness.types.score import Score


class Judged(ABC):
    """A subclass has its name, its rubric, and how it reads a reply."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    max_tokens: ClassVar[int]
    settings: JudgedSettings

    @staticmethod
    @abstractmethod
    def read(text: str) -> Score | None:
        """What a reply says, if it says a score; never raises."""

    @abstractmethod
    def rubric(self) -> Rubric:
        """What the judge is told."""

    def scorer(self) -> JudgePanel:
        return self._panel(self._judge, others=self._others)

    def rescorings(self) -> list[Rescoring]:
        """The judge asked again, and the second judge; they share their places and budgets with the scorer's."""
        again = range(1, self.settings.judge_repeats)
        found = [
            Rescoring(f"repeat {number}", "repeat", self._panel(self._judge, repeat=number), self.settings.repeat_items)
            for number in again
        ]
        return found + [Rescoring("second judge", "second", self._panel(judge)) for judge in self._others]

    def _panel(self, judge: Judge, *, repeat: int = 0, others: Sequence[Judge] = ()) -> JudgePanel:
        protocol = f"{self.name} {self.version}"
        return JudgePanel(protocol, judge, self.rubric(), self.read, self.max_tokens, repeat, tuple(others))

    @cached_property
    def _judge(self) -> Judge:
        judge: Judge = self.settings.judge.build()
        return judge

    @cached_property
    def _others(self) -> tuple[Judge, ...]:
        return () if self.settings.second_judge is None else (self.settings.second_judge.build(),)
