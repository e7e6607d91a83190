"""Base class of benchmarks that a judge scores: which judges are asked, and how often."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.hashing import digest
from evalharness.api.benchmark import Benchmark, Rescoring
from evalharness.api.judge import Judge
from evalharness.api.plugin_ref import JudgeRef
from evalharness.errors import SampleError
from evalharness.judges.judge_scorer import Rubric, RubricScorer
from evalharness.judges.parsing import OFFICIAL, STRICT, CutReplies, Parser
from evalharness.judges.question_scorer import QuestionScorer
from evalharness.types.item import ITEM_FIELDS, Item, ItemField, PromptSet
from evalharness.types.score import Score


class JudgedSettings(BaseModel):
    """The settings of a benchmark that a judge scores.

    Attributes:
        judge: The judge whose first reply is the score.
        judge_repeats: Number of times that the judge is asked about each image of ``repeat_items`` items. The first
            reply counts; the others show how consistent the judge is.
        repeat_items: The number of items that are judged repeatedly.
        second_judge: Judges the same images. Its scores only show how far the two judges agree.
        cut_replies: What a reply is that is cut off, refused, or has no answer beside its thoughts: ``fail`` for no
            verdict, ``as-published`` to read it like any other. By default ``fail``, except with a published parser.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    judge: JudgeRef
    judge_repeats: int = Field(default=1, ge=1, le=20)
    repeat_items: int = Field(default=60, ge=1)
    second_judge: JudgeRef | None = None
    cut_replies: CutReplies | None = None


class JudgedBenchmark(Benchmark):
    """Base class: a subclass adds its name, its items, its rubric and a parser of the judge's replies."""

    max_tokens: ClassVar[int]
    item_fields: ClassVar[Sequence[ItemField]] = ITEM_FIELDS
    """The fields of an item that the rubric uses, see :attr:`evalharness.api.benchmark.Scorer.item_fields`."""
    settings: JudgedSettings

    @staticmethod
    @abstractmethod
    def read(text: str) -> Score | None:
        """The score that an answer states, if it states one; never raises. It is given no thoughts."""

    def parser(self) -> Parser:
        """What takes scores out of replies; by default :meth:`read`."""
        return Parser(STRICT, self.read)

    @abstractmethod
    def rubric(self) -> Rubric:
        """The instructions for the judge."""

    def fit(self, item: Item, stated: Score) -> Score | None:
        """The score of an item, by what a reply states; ``None`` if the reply does not fit the item."""
        return stated

    def scorer(self) -> RubricScorer | QuestionScorer:
        return self._scorer(self._judge, secondary=self._second_judges)

    def rescorings(self) -> list[Rescoring]:
        """The judge asked again, and the second judge. They share connections and budgets with the scorer's judges."""
        items = self.settings.repeat_items
        repeats = [
            Rescoring(f"repeat {number}", "repeat", self._scorer(self._judge, repeat=number), items)
            for number in range(1, self.settings.judge_repeats)
        ]
        return repeats + [Rescoring("second judge", "second", self._scorer(judge)) for judge in self._second_judges]

    def _scorer(
        self, judge: Judge, *, repeat: int = 0, secondary: tuple[Judge, ...] = ()
    ) -> RubricScorer | QuestionScorer:
        return self._rubric_scorer(judge, repeat, secondary)

    def _rubric_scorer(
        self,
        judge: Judge,
        repeat: int,
        secondary: tuple[Judge, ...],
        answers: Callable[[Item], tuple[str, ...]] | None = None,
    ) -> RubricScorer:
        parser = self.parser()
        return RubricScorer(
            protocol=f"{self.name} {self.version}",
            primary=judge,
            rubric=self.rubric(),
            parser=parser,
            max_tokens=self.max_tokens,
            repeat=repeat,
            secondary=secondary,
            item_fields=self.item_fields,
            fit=self.fit,
            answers=answers,
            cut_replies=self.settings.cut_replies or ("as-published" if parser.name == OFFICIAL else "fail"),
        )

    @cached_property
    def _judge(self) -> Judge:
        judge: Judge = self.settings.judge.build()
        return judge

    @cached_property
    def _second_judges(self) -> tuple[Judge, ...]:
        return () if self.settings.second_judge is None else (self.settings.second_judge.build(),)


class PromptFileBenchmark(JudgedBenchmark):
    """Base class of those whose items stand in a file, which is read once."""

    @abstractmethod
    def read_items(self) -> list[Item]:
        """Read the items."""

    @abstractmethod
    def prompt_name(self) -> str:
        """The name of the set of prompts."""

    def items(self) -> list[Item]:
        return self._items

    def prompt_set(self) -> PromptSet:
        content = [[item.id, item.prompt, item.category, dict(item.metadata)] for item in self._items]
        return PromptSet(self.prompt_name(), digest(content))

    @cached_property
    def _items(self) -> list[Item]:
        return self.read_items()


class QuestionsBenchmark(PromptFileBenchmark):
    """Base class of those that ask several questions about an image: ``questions`` of the item's metadata, which are
    mappings with a ``question``."""

    @cached_property
    def most_questions(self) -> int:
        """The largest number of questions of any item."""
        return max(len(item.metadata["questions"]) for item in self.items())

    def ask_each(
        self, single: RubricScorer, combine: Callable[[Item, Sequence[Score]], Score | SampleError], rule: str
    ) -> QuestionScorer:
        """A scorer that asks one question a request, see :class:`QuestionScorer`."""
        return QuestionScorer(single, _questions, combine, rule, self.most_questions, self.item_fields)


def _questions(item: Item) -> list[Item]:
    """An item for each question, which is all that a judge is told."""
    return [Item("", "", "", dict(question)) for question in item.metadata["questions"]]


def shares(items: Sequence[Item]) -> dict[str, float]:
    """The share of each category: weights with which the overall score is the mean over all items."""
    return {category: count / len(items) for category, count in Counter(item.category for item in items).items()}


def equal_shares(items: Sequence[Item]) -> dict[str, float]:
    """The same share for each category: weights with which the overall score is the mean over the categories."""
    categories = list(dict.fromkeys(item.category for item in items))
    return dict.fromkeys(categories, 1 / len(categories))
