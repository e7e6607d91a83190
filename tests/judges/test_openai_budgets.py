"""What the judge spends: budgets, the books of what came, and endpoints that say nothing."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_server import Answer, completion, error, serving
from openai_judge import OK, judge, number_of, prompt, prompts

from evalharness.errors import BudgetError, EndpointError, SampleError
from evalharness.http.budget import Budget
from evalharness.http.calls import HOPELESS
from evalharness.http.pool import answers
from evalharness.judges.chat import Chat
from evalharness.types.reply import Reply
from evalharness.types.spent import Spent


def test_a_budget_of_calls_is_kept_and_what_came_is_kept() -> None:
    with serving(lambda call: Answer(completion("x"), delay=0.02)) as (server, url):
        limited = judge(url, max_calls=20, concurrency=8)
        limited.recall(Spent(5, 0.0))
        outcomes = []
        with pytest.raises(BudgetError, match="20 of 20 calls, 5 calls of them in earlier runs; raise it"):
            for pair in limited.ask(prompts(100)):
                outcomes.append(pair)
        assert len(outcomes) == len(server.calls) == 15
        with pytest.raises(BudgetError):
            list(limited.ask(prompts(100)))
    assert len(server.calls) == 15


def test_calls_that_are_turned_away_cost_nothing() -> None:
    respond = lambda call: OK if call.nth else Answer(error("busy"), 429)  # noqa: E731
    with serving(respond) as (_, url):
        assert len(list(judge(url, max_calls=10).ask(prompts(10)))) == 10


def test_calls_that_may_have_been_paid_for_count() -> None:
    with serving(lambda call: OK if call.nth else Answer(b"<html>")) as (server, url), pytest.raises(BudgetError):
        list(judge(url, max_calls=10).ask(prompts(10)))
    assert len(server.calls) == 10


def test_a_budget_of_dollars() -> None:
    """A reply costs 0.00311 dollars here, so 12 of them fit into 0.04."""
    prices = {"price_prompt": 3, "price_completion": 11}
    with serving(lambda call: Answer(completion("x"), delay=0.02)) as (server, url):
        limited = judge(url, max_dollars=0.04, concurrency=8, **prices)
        outcomes = []
        with pytest.raises(BudgetError, match=r"0\.03732 of 0\.04 dollars"):
            for pair in limited.ask(prompts(100)):
                outcomes.append(pair)
    assert len(outcomes) == len(server.calls) == 12


def test_dollars_cannot_be_counted_without_tokens() -> None:
    body = completion("x")
    del body["usage"]
    with serving(lambda call: Answer(body)) as (server, url):
        outcomes = []
        with pytest.raises(EndpointError, match="set max_calls in its place"):
            for pair in judge(url, max_dollars=1, price_prompt=1, price_completion=1).ask(prompts(100)):
                outcomes.append(pair)
    assert len(outcomes) == len(server.calls) == 1


SIDE = st.sampled_from([None, False, True, "x", [], ["a", {"text": "b"}], {"text": "c"}, 3, 2.5])
COUNTS = st.sampled_from([None, 0, 3, 700, 12.0, 0.5, "50", "x", -4, True, [3], {"n": 3}, float("inf")])
BODIES = st.fixed_dictionaries(
    {
        "content": st.sampled_from(["Score: 1", "", None, ["x"], {"text": "y"}, {"score": 1}, 1]),
        "refusal": SIDE,
        "reasoning": SIDE,
        "finish_reason": st.sampled_from(["stop", None, "length", "content_filter", {"type": "stop"}]),
        "shape": st.sampled_from(["whole", "whole", "whole", "no choices", "no message", "error", "status"]),
        "usage": st.none() | st.fixed_dictionaries({"prompt_tokens": COUNTS, "completion_tokens": COUNTS}),
    }
)
PRICES = {"price_prompt": 3.0, "price_completion": 11.0}


def odd_answer(spec: dict[str, Any]) -> Answer:
    message = {name: spec[name] for name in ("content", "refusal", "reasoning")}
    choices: Any = [{"message": message, "finish_reason": spec["finish_reason"]}]
    body: dict[str, Any] = {"choices": choices, "usage": spec["usage"], "model": None}
    if spec["shape"] == "no choices":
        body["choices"] = []
    elif spec["shape"] == "no message":
        body["choices"] = [{"finish_reason": "stop"}]
    elif spec["shape"] in ("error", "status"):
        body = {"error": {"message": "upstream"}, "usage": spec["usage"]}
    return Answer(body, 500 if spec["shape"] == "status" else 200)


def priced(usage: dict[str, Any] | None) -> float:
    """What the usage fields say that a call cost, counted independently of the reader."""

    def count(value: Any) -> int:
        odd = isinstance(value, bool | list | dict) or value is None or value == "x"
        number = 0.0 if odd else float(value)
        return math.ceil(number) if 0 <= number < math.inf else 0

    usage = usage or {}
    return (count(usage.get("prompt_tokens")) * 3 + count(usage.get("completion_tokens")) * 11) / 1e6


@settings(max_examples=40)
@given(st.lists(BODIES, min_size=1, max_size=8), st.floats(0.001, 0.05), st.integers(1, 6))
def test_whatever_a_server_sends_the_books_are_what_its_usage_says(
    specs: list[dict[str, Any]], dollars: float, places: int
) -> None:
    with serving(lambda call: odd_answer(specs[len(server.calls) % len(specs)])) as (server, url):
        limits = {"max_dollars": dollars, "concurrency": places, "retries": 3, "backoff": 0}
        chat_settings, budget = judge(url, **limits, **PRICES).settings, Budget(max_dollars=dollars)
        outcomes: list[Reply | SampleError] = []
        with contextlib.suppress(EndpointError):
            for _, outcome in answers(prompts(30), Chat(chat_settings, budget), 2 * places):
                outcomes.append(outcome)
    answered = [specs[number % len(specs)] for number in range(1, len(server.calls) + 1)]
    charges = [priced(spec["usage"]) for spec in answered]
    assert budget.dollars == pytest.approx(sum(charges))
    replies = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
    unused = sum(price for spec, price in zip(answered, charges, strict=True) if spec["shape"] == "status")
    assert sum(reply.cost for reply in replies) == pytest.approx(sum(charges) - unused), "what is stored"
    assert budget.dollars <= dollars + places * max(charges), "the last calls alone may be dearer than any before"


def test_a_budget_holds_where_usage_is_partly_null() -> None:
    body = completion("Score: 1") | {"usage": {"prompt_tokens": 500_000, "completion_tokens": None}}
    body["choices"][0]["message"] |= {"refusal": False, "reasoning": ["x"]}
    with serving(lambda call: Answer(body)) as (server, url):
        outcomes = []
        with pytest.raises(BudgetError, match=r"1\.5 of 0\.01 dollars"):
            for pair in judge(url, max_dollars=0.01, **PRICES).ask(prompts(100)):
                outcomes.append(pair)
    assert len(server.calls) == 1
    assert [reply.cost for _, reply in outcomes if isinstance(reply, Reply)] == [1.5]


def silent(finish_reason: str, **message: Any) -> dict[str, Any]:
    return completion(None, finish_reason=finish_reason, **message)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (silent("stop"), "a reply without an answer (finish reason 'stop')"),
        (silent("length", reasoning="First,"), "a reply cut off by its length limit after 10 tokens: 'First,'"),
        (completion("<think>First,"), "a reply without an answer (finish reason 'stop'): '<think>First,'"),
    ],
)
def test_an_endpoint_that_says_nothing_is_given_up(body: Any, says: str) -> None:
    with serving(lambda call: Answer(body)) as (server, url):
        outcomes = []
        with pytest.raises(EndpointError) as caught:
            for pair in judge(url, concurrency=2).ask(prompts(1000)):
                outcomes.append(pair)
    assert f"10 questions in a row got no reply, the last: {says}" in str(caught.value)
    assert HOPELESS <= len(server.calls) < HOPELESS + 4
    assert all(isinstance(reply, Reply) for _, reply in outcomes), "each was paid for, and is kept"


@pytest.mark.parametrize("answer", [Answer(completion("")), Answer(error("unsupported parameter"), 400)])
def test_an_endpoint_is_given_up_even_if_it_is_asked_one_question_at_a_time(answer: Answer) -> None:
    with serving(lambda call: answer) as (server, url):
        asked = judge(url)
        for number in range(HOPELESS - 1):
            assert len(list(asked.ask([(number, prompt(number))]))) == 1
        with pytest.raises(EndpointError, match="10 questions in a row got no reply"):
            list(asked.ask([(99, prompt(99))]))
        assert len(server.calls) == HOPELESS
        asked.recall(Spent())
        assert len(list(asked.ask([(100, prompt(100))]))) == 1, "another run asks again"


def test_words_in_between_are_a_sign_of_life_and_refusals_no_sign_of_anything() -> None:
    bodies = {0: completion("Score: 1"), 1: silent("stop"), 2: silent("stop")}
    with serving(lambda call: Answer(bodies[number_of(call) % 3])) as (_, url):
        assert len(list(judge(url, concurrency=1).ask(prompts(4 * HOPELESS)))) == 4 * HOPELESS
    for refused in (silent("stop", refusal="No."), silent("content_filter")):
        with serving(lambda call, body=refused: Answer(body)) as (_, url):  # type: ignore[misc]
            assert len(list(judge(url).ask(prompts(3 * HOPELESS)))) == 3 * HOPELESS
