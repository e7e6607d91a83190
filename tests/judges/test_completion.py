from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_server import completion

from evalharness.http.model_list import read_models
from evalharness.judges.completion import read_completion
from evalharness.types.reply import Reply

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["choices", "message", "content", "x"]), inner),
)


def read(body: Any) -> Reply | None:
    return read_completion(json.dumps(body))


def test_a_reply_is_read_whole() -> None:
    body = completion("Score: 1", reasoning_content="hm")
    assert read(body) == Reply("Score: 1", "stop", 1000, 10, reasoning="hm", model="judge-1")
    del body["usage"], body["model"]
    assert read(body) == Reply("Score: 1", "stop", reasoning="hm")


def test_nothing_is_invented() -> None:
    def reply(*parts: str, **more: str) -> Reply:
        return Reply(*parts, 1000, 10, model="judge-1", **more)  # type: ignore[arg-type, misc]

    assert read(completion(None, refusal="I will not.")) == reply("", "stop", refusal="I will not.")
    assert read(completion("", finish_reason="content_filter")) == reply("", "content_filter")
    assert read(completion("Sco", finish_reason="length")) == reply("Sco", "length")
    assert read({"choices": [{"message": {}}]}) == Reply("", "")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"refusal": False}, Reply("Score: 1")),
        ({"refusal": {"message": "I would rather not"}}, Reply("Score: 1", refusal="I would rather not")),
        ({"reasoning": ["one", {"text": " two"}]}, Reply("Score: 1", reasoning="one two")),
        ({"reasoning": {"content": "three"}}, Reply("Score: 1", reasoning="three")),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "four"}]}, Reply("Score: 1", reasoning="four")),
        ({"reasoning_content": 3, "reasoning": "five"}, Reply("Score: 1", reasoning="five")),
        ({"tool_calls": None, "audio": 3, "annotations": "x"}, Reply("Score: 1")),
        ({"content": [{"type": "text", "text": "Score: 1"}, {"type": "text", "text": None}]}, Reply("Score: 1")),
        ({"content": ["Score", {"text": ": 1"}]}, Reply("Score: 1")),
        ({"content": [{"type": "thinking", "thinking": [{"text": "hm"}]}, {"text": "1"}]}, Reply("1", reasoning="hm")),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, Reply("", refusal="No.")),
        ({"content": {"text": "Score: 1"}}, Reply("Score: 1")),
        ({"content": {"score": 1}}, Reply('{"score": 1}')),
        ({"content": 1}, Reply("1")),
        ({"content": None, "parsed": {"score": 1}}, Reply('{"score": 1}')),
        ({"content": "\ud83d Score: 1"}, Reply("\ufffd Score: 1")),
    ],
)
def test_what_stands_beside_the_answer_never_costs_it(message: dict[str, Any], expected: Reply) -> None:
    body = completion("Score: 1", **message)
    body["choices"][0]["message"].update(message)
    del body["usage"], body["model"]
    assert read(body) == expected


def test_an_answer_that_was_paid_for_is_a_reply_even_if_it_has_no_message() -> None:
    used = {"prompt_tokens": 1000, "completion_tokens": None}
    assert read({"choices": [], "usage": used}) == Reply("", "", 1000)
    assert read({"choices": [{"text": "old"}], "usage": used}) == Reply("", "", 1000)
    assert read({"error": {"message": "overloaded"}, "usage": used}) == Reply("", "", 1000, refusal="overloaded")
    assert read({"choices": [{"finish_reason": "content_filter"}]}) == Reply("", "content_filter")


@pytest.mark.parametrize("reason", [{"type": "stop"}, "stop"])
def test_a_finish_reason_may_be_an_object(reason: Any) -> None:
    assert read({"choices": [{"message": {"content": "x"}, "finish_reason": reason}], "model": 3}) == Reply("x")


def test_a_text_in_parts() -> None:
    body = completion(None)
    body["choices"][0]["message"]["content"] = [{"type": "text", "text": "Score"}, {"type": "text", "text": ": 1"}]
    assert read(body) == Reply("Score: 1", "stop", 1000, 10, model="judge-1")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        3,
        None,
        {"choices": []},
        {"choices": None},
        {"choices": "x"},
        {"choices": [None]},
        {"choices": [{"text": "old"}]},
        {"error": {"message": "busy", "code": 502}},
        {"choices": [], "usage": None},
        {"choices": [], "usage": {"prompt_tokens": 0}},
    ],
)
def test_what_is_no_completion(body: Any) -> None:
    assert read(body) is None


@pytest.mark.parametrize("text", ["", "<html>", "{", "[" * 100_000, "NaN"])
def test_what_is_no_json(text: str) -> None:
    assert read_completion(text) is None
    assert read_models(text) is None


@given(JSON)
def test_any_json_is_a_reply_or_none(body: Any) -> None:
    reply = read(body)
    assert reply is None or isinstance(reply.text, str)
    read_models(json.dumps(body))


def test_models() -> None:
    assert read_models('{"object": "list", "data": [{"id": "a", "owned_by": "x"}, {"id": "b"}]}') == ["a", "b"]
    assert read_models('{"data": [{}]}') is None
