"""Several questions about each image: every one is asked, and an image has a score only if all are answered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evalharness.api.benchmark import ScoreRequest
from evalharness.api.judge import JudgePrompt
from evalharness.errors import SampleError
from evalharness.judges.judge_scorer import TRIES, RubricScorer
from evalharness.judges.parsing import Parser
from evalharness.judges.question_scorer import QuestionScorer
from evalharness.testing import MockJudge, MockReplies
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score


class Rubric:
    name = "rubric of the test"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        return [{"role": "user", "content": item.prompt}]

    def digest(self) -> str:
        return "r" * 64


def read(text: str) -> Score | None:
    return Score(float(text)) if text in ("0", "1") else None


def mean(item: Item, answers: Sequence[Score]) -> Score:
    return Score(sum(answer.value for answer in answers) / len(answers), details={"answers": len(answers)})


def questions(item: Item) -> list[Item]:
    return [Item("", text, "", {}) for text in item.metadata["questions"]]


def scorer(judge: MockJudge) -> QuestionScorer:
    single = RubricScorer("protocol 1", judge, Rubric(), Parser("strict", read), 5)
    return QuestionScorer(single, questions, mean, "mean", most_questions=4)


def request(number: int, asked: Sequence[str]) -> ScoreRequest:
    image = f"image {number}".encode()
    item = Item(str(number), "", "", {"questions": list(asked)})
    return ScoreRequest(f"key {number}", item, image, hashlib.sha256(image).hexdigest())


words = st.sampled_from(["0", "1", "late 0", "late 1", "hm", "lost", "error"])


@given(st.lists(st.lists(words, min_size=1, max_size=4), max_size=6), st.integers(1, 5))
def test_each_image_has_the_score_of_its_answers_or_none(plan: list[list[str]], concurrency: int) -> None:
    """``late``: read at the second try; ``hm``: never; ``lost``: not answered; ``error``: refused."""

    def answer(prompt: JudgePrompt) -> Reply | SampleError | None:
        word = str(prompt.messages[0]["content"]).split(":")[1]
        if word == "error":
            return SampleError("refused")
        if word == "lost":
            return None
        if word.startswith("late"):
            word = word.removeprefix("late ") if prompt.tried else "hm"
        return Reply(word, prompt_tokens=2, completion_tokens=1, cost=0.5)

    asked = [[f"{number}.{index}:{word}" for index, word in enumerate(row)] for number, row in enumerate(plan)]
    judge = MockJudge(MockJudge.Settings(concurrency=concurrency), answer)
    requests, replies = [request(number, row) for number, row in enumerate(asked)], MockReplies()
    outcomes = {made.key: outcome for made, outcome in scorer(judge).judge(requests, replies)}
    assert set(outcomes) == {made.key for made in requests}
    for number, row in enumerate(plan):
        outcome = outcomes[f"key {number}"]
        if {"hm", "lost", "error"} & set(row):
            assert isinstance(outcome, SampleError)
            continue
        assert isinstance(outcome, Score)
        assert outcome.value == sum(word[-1] == "1" for word in row) / len(row)
        tries = sum(2 if word.startswith("late") else 1 for word in row)
        details = outcome.details
        assert (details["tries"], details["prompt_tokens"], details["cost"]) == (tries, 2 * tries, 0.5 * tries)
        assert len(details["replies"]) == tries
    count = len(judge.prompts)
    assert all(
        isinstance(outcome, Score) for made, outcome in scorer(judge).judge(_scored(requests, outcomes), replies)
    )
    assert len(judge.prompts) == count, "what was answered is not asked again"


def _scored(requests: list[ScoreRequest], outcomes: Mapping[str, Score | SampleError]) -> list[ScoreRequest]:
    return [made for made in requests if isinstance(outcomes[made.key], Score)]


def test_what_a_dry_run_counts_is_what_is_asked_at_worst() -> None:
    judge = MockJudge(answer=lambda prompt: "hm")
    tested = scorer(judge)
    ((_, outcome),) = tested.judge([request(0, ["a", "b", "c", "d"])], MockReplies())
    assert isinstance(outcome, SampleError)
    assert len(judge.prompts) == tested.most_replies == 4 * TRIES


def test_it_is_not_the_scorer_that_asks_one_question() -> None:
    tested = scorer(MockJudge())
    assert tested.identity() != tested.single.identity()
    assert replace(tested, rule="another mean").identity() != tested.identity()
    assert tested.judges == tested.single.judges


def test_an_answer_that_is_cut_off_is_none() -> None:
    judge = MockJudge(answer=lambda prompt: Reply("1", finish_reason="length"))
    ((_, outcome),) = scorer(judge).judge([request(0, ["a"])], MockReplies())
    assert isinstance(outcome, SampleError)
