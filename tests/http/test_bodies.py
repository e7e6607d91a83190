from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.http.bodies import Usage, json_object, text_in, usage_in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["usage", "prompt_tokens", "completion_tokens", "total_tokens", "text", "content"]), inner
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}, (1000, 10)),
        ({"prompt_tokens": 1000, "completion_tokens": None}, (1000, 0)),
        ({"prompt_tokens": 1000, "completion_tokens": None, "total_tokens": 1010}, (1000, 10)),
        ({"prompt_tokens": 1000.0, "completion_tokens": 9.5}, (1000, 10)),
        ({"prompt_tokens": "1000", "completion_tokens": [10]}, (1000, 0)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (0, 0)),
        ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, (0, 0)),
        ({"completion_tokens": 10, "total_tokens": 1010}, (1000, 10)),
        ({"total_tokens": 1010}, (0, 1010)),
        ({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 4010}, (1000, 3010)),
        ({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 7}, (1000, 10)),
        ({"input_tokens": 1000, "output_tokens": 10}, (1000, 10)),
        (None, (0, 0)),
        ([{"prompt_tokens": 5}], (0, 0)),
    ],
)
def test_tokens_are_counted_as_far_as_they_are_said(usage: Any, tokens: tuple[int, int]) -> None:
    body = json_object(json.dumps({"usage": usage}))
    assert body is not None
    assert usage_in(body) == Usage(*tokens)


def test_a_number_of_thousands_of_digits_hides_nothing_else() -> None:
    body = json_object(
        '{"usage": {"prompt_tokens": 7, "completion_tokens": ' + "9" * 5000 + '}, "id": ' + "1" * 5000 + "}"
    )
    assert body is not None
    assert usage_in(body) == Usage(7, 0)


@pytest.mark.parametrize("text", ["", "<html>", "{", "[" * 100_000, "NaN", "[]", "3", '"x"', "null"])
def test_what_is_no_object(text: str) -> None:
    assert json_object(text) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (None, ""),
        (False, ""),
        (3, ""),
        (["a", None, {"type": "text", "text": "b"}, {"text": None}], "ab"),
        ({"summary": [{"text": "why"}]}, "why"),
        ({"text": None, "content": "c"}, "c"),
        ({"x": "y"}, ""),
        ("\ud83d half", "\ufffd half"),
    ],
)
def test_the_words_in_a_value(value: Any, text: str) -> None:
    assert text_in(value) == text


@given(st.dictionaries(st.sampled_from(["usage", "choices"]), JSON))
def test_any_json_has_counts_and_words(body: dict[str, Any]) -> None:
    read = json_object(json.dumps(body))
    assert read is not None
    usage = usage_in(read)
    assert usage.prompt_tokens >= 0
    assert usage.completion_tokens >= 0
    text_in(read).encode()
