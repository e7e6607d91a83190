"""The mocks that plugin authors test with."""

from __future__ import annotations

import doctest

import pytest

from evalharness import testing
from evalharness.api.judge import JudgePrompt
from evalharness.errors import SampleError
from evalharness.testing import MockJudge, MockReplies
from evalharness.types.reply import Reply
from evalharness.types.spent import Spent


def prompt(number: int) -> JudgePrompt:
    return JudgePrompt([], image=f"{number:064x}"[::-1], rubric="", max_tokens=10)


def test_examples() -> None:
    assert doctest.testmod(testing).failed == 0


@pytest.mark.parametrize(("concurrency", "order"), [(1, [0, 1, 2, 3]), (2, [1, 2, 3, 0]), (9, [3, 2, 1, 0])])
def test_a_judge_answers_the_last_prompt_that_it_has_taken(concurrency: int, order: list[int]) -> None:
    judge = MockJudge(MockJudge.Settings(concurrency=concurrency))
    assert [number for number, _ in judge.ask((number, prompt(number)) for number in range(4))] == order
    assert [asked.image for asked in judge.prompts] == [prompt(number).image for number in order]


def test_a_judge_replies_errs_or_loses_a_prompt() -> None:
    answers = iter(["Score: 1", Reply("Score: 0", cost=0.5), SampleError("busy"), None])
    outcomes = dict(MockJudge(answer=lambda _: next(answers)).ask((number, prompt(number)) for number in range(4)))
    assert (outcomes[0], outcomes[1], str(outcomes[2])) == (Reply("Score: 1"), Reply("Score: 0", cost=0.5), "busy")
    assert outcomes.keys() == {0, 1, 2}


def test_the_settings_choose_a_reply_by_the_image() -> None:
    judge = MockJudge(MockJudge.Settings(replies=("yes", "SampleError")))
    first, second = (outcome for _, outcome in judge.ask(enumerate([prompt(0), prompt(0x10000000)])))
    assert first == Reply("yes")
    assert str(second) == "the mock does not answer"


def test_replies_are_kept_and_counted() -> None:
    replies = MockReplies()
    for text, cost in (("hm", 0.25), ("Score: 1", 0.5)):
        replies.add("key", prompt(0), "judge", Reply(text, cost=cost))
    assert [reply.text for reply in replies.get("key")] == ["hm", "Score: 1"]
    assert replies.get("other") == []
    assert (replies.spent("judge"), replies.spent("other")) == (Spent(2, 0.75), Spent())
