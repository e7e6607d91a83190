"""A scorer that asks a judge several questions about each image, and makes one score of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evalharness.api.benchmark import JudgeScorer, ScoreRequest
from evalharness.api.judge import Judge, Replies
from evalharness.errors import SampleError
from evalharness.judges.judge_scorer import TRIES, Outcome, RubricScorer
from evalharness.types.item import ITEM_FIELDS, Item, ItemField
from evalharness.types.score import Score

SUMMED = ("tries", "prompt_tokens", "completion_tokens", "cost")
"""Details of the answers that are added up in the score's."""


@dataclass
class _Open:
    """An image that is being judged: its request, and what became of each question so far."""

    request: ScoreRequest
    answers: list[Score | None]
    error: SampleError | None = None
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.missing = len(self.answers)


@dataclass(frozen=True)
class QuestionScorer(JudgeScorer):
    """One question a request; an image whose question stays without an answer has no score.

    Attributes:
        single: Asks one question and reads its answer. Its items are questions.
        questions: The questions of an item, at least one.
        combine: Makes the score of the answers, in the order of the questions, or says why there is none.
        rule: Names what ``combine`` does; part of the scorer's identity.
        most_questions: The largest number of questions of any item.
    """

    single: RubricScorer
    questions: Callable[[Item], Sequence[Item]]
    combine: Callable[[Item, Sequence[Score]], Score | SampleError]
    rule: str
    most_questions: int
    item_fields: Sequence[ItemField] = ITEM_FIELDS

    @property
    def most_replies(self) -> int:  # type: ignore[override]
        return TRIES * self.most_questions

    @property
    def judges(self) -> tuple[Judge, ...]:  # type: ignore[override]
        return self.single.judges

    @property
    def in_process(self) -> bool:  # type: ignore[override]
        return self.single.in_process

    def identity(self) -> Mapping[str, Any]:
        return {**self.single.identity(), "asked": "each", "combined": self.rule}

    def judge(self, requests: Iterable[ScoreRequest], replies: Replies) -> Iterator[Outcome]:
        """Ask all questions; those of different images may be asked at the same time."""
        opened: dict[str, tuple[_Open, int]] = {}
        for question, outcome in self.single.judge(self._asked(requests, opened), replies):
            case, index = opened.pop(question.key)
            case.missing -= 1
            if isinstance(outcome, SampleError):
                case.error = case.error or outcome
            else:
                case.answers[index] = outcome
            if not case.missing:
                yield case.request, self._outcome(case)

    def _asked(self, requests: Iterable[ScoreRequest], opened: dict[str, tuple[_Open, int]]) -> Iterator[ScoreRequest]:
        for request in requests:
            questions = self.questions(request.item)
            case = _Open(request, [None] * len(questions))
            for index, question in enumerate(questions):
                key = f"{request.key}/{index}"
                opened[key] = case, index
                yield replace(request, key=key, item=question)

    def _outcome(self, case: _Open) -> Score | SampleError:
        if case.error is not None:
            return case.error
        answers = [answer for answer in case.answers if answer is not None]
        score = self.combine(case.request.item, answers)
        if isinstance(score, SampleError):
            return score
        details = [answer.details for answer in answers]
        asked = {
            "judge": details[0]["judge"],
            "rubric": details[0]["rubric"],
            "replies": [reply for of_answer in details for reply in of_answer["replies"]],
        }
        summed = {name: sum(of_answer[name] for of_answer in details) for name in SUMMED}
        return Score(score.value, score.reason, {**score.details, **asked, **summed})
