from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from evalharness.http import redact as module
from evalharness.http.redact import HIDDEN, PIECE, redact

WORDS = st.text(alphabet="abcdefgh0123456789-_", min_size=PIECE, max_size=40)


def test_example() -> None:
    assert doctest.testmod(module).failed == 0


@given(st.text(), WORDS, st.text(), st.data())
def test_no_piece_of_a_key_is_left(before: str, key: str, after: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(key) - PIECE))
    piece = key[start : data.draw(st.integers(start + PIECE, len(key)))]
    clean = redact(f"{before}{piece}{after}{key}", key)
    assert not any(key[i : i + PIECE] in clean.replace(HIDDEN, "\0") for i in range(len(key) - PIECE + 1))
    assert HIDDEN in clean


@given(st.text(), WORDS)
def test_all_else_stays(text: str, key: str) -> None:
    if not any(key[i : i + PIECE] in text for i in range(len(key) - PIECE + 1)):
        assert redact(text, key) == text


def test_as_it_stands_in_an_address() -> None:
    key = "a/b+c=d e/f+g=h"
    assert redact("GET /?key=a%2Fb%2Bc%3Dd%20e%2Ff%2Bg%3Dh HTTP", key) == "GET /?key=[key] HTTP"


def test_a_short_key_goes_as_a_word_only() -> None:
    assert redact("Bearer abc, abcd", "abc") == f"Bearer {HIDDEN}, abcd"
    assert redact("anything", "") == "anything"
