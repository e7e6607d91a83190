"""The benchmark ``checklist``: prompts of your own, each with yes/no questions about its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from evalharness.api.judge import Judge
from evalharness.judges.judge_scorer import RubricScorer
from evalharness.judges.judged_benchmark import JudgedSettings, QuestionsBenchmark, equal_shares
from evalharness.judges.question_scorer import QuestionScorer
from evalharness.types.item import Item, ItemField
from evalharness.types.score import Score

from . import checklist_file, rubric
from .checklist_rules import scored

TOKENS_OF_AN_ANSWER = 64


class Checklist(QuestionsBenchmark):
    """Questions about images, answered by any judge.

    The score of an image is the weighted share of its questions that are answered right. The score of a category is the
    mean over its images, the overall score the mean over the categories.
    """

    name = "checklist"
    images_per_prompt = 1
    item_fields: ClassVar[Sequence[ItemField]] = ("metadata",)

    class Settings(JudgedSettings):
        """The settings of every judged benchmark, and these.

        Attributes:
            prompts: A file of checklists.
            ask: Whether each question is a request of its own, or all questions of an image are one.
        """

        prompts: Path
        ask: Literal["each", "together"] = "each"

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def max_tokens(self) -> int:  # type: ignore[override]
        """Enough for a word a question, and some thoughts."""
        most = 1 if self.settings.ask == "each" else self.most_questions
        return TOKENS_OF_AN_ANSWER + 16 * most

    @property
    def weights(self) -> Mapping[str, float]:  # type: ignore[override]
        return equal_shares(self.items())

    def prompt_name(self) -> str:
        return self.settings.prompts.name

    def rubric(self) -> rubric.OneQuestion | rubric.AllQuestions:
        return rubric.OneQuestion() if self.settings.ask == "each" else rubric.AllQuestions()

    def read(self, text: str) -> Score | None:  # type: ignore[override]
        return rubric.read_answer(text) if self.settings.ask == "each" else rubric.read_answers(text)

    def fit(self, item: Item, stated: Score) -> Score | None:
        """The score of all answers; ``None`` if a question has none. An answer to one question is left as it is."""
        if self.settings.ask == "each":
            return stated
        answers = stated.details["answers"]
        if set(answers) != {str(number) for number in range(1, len(item.metadata["questions"]) + 1)}:
            return None
        return scored(item, [answers[str(number)] == "yes" for number in range(1, len(answers) + 1)])

    def notes(self) -> list[str]:
        return ["the questions are those of the file, asked by this project's rubric: comparable with itself alone."]

    def _scorer(
        self, judge: Judge, *, repeat: int = 0, secondary: tuple[Judge, ...] = ()
    ) -> RubricScorer | QuestionScorer:
        single = self._rubric_scorer(judge, repeat, secondary)
        if self.settings.ask == "together":
            return single
        return self.ask_each(single, _combined, "weighted share")

    def read_items(self) -> list[Item]:
        return checklist_file.read(self.settings.prompts)


def _combined(item: Item, answers: Sequence[Score]) -> Score:
    return scored(item, [answer.value == 1 for answer in answers])
