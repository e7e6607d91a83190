from __future__ import annotations

import base64
import doctest
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
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
    forms = [key, key[::-1], "".join(filter(str.isalnum, key))]
    joined = "".join(filter(str.isalnum, text))
    if not any(form[i : i + PIECE] in where for form in forms for i in range(len(form)) for where in (text, joined)):
        assert redact(text, key) == text


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


KEYS = st.text(alphabet="abcdefghXYZ0123456789-_", min_size=20, max_size=60)
FORMS: dict[str, Callable[[str], str]] = {
    "base64": in_base64,
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(f"key={key}".encode()).decode(),
    "Basic": lambda key: "Basic " + in_base64(f"user:{key}"),
    "Bearer in base64": lambda key: in_base64(f"Bearer {key}"),
    "hexadecimal": lambda key: key.encode().hex(),
    "HEXADECIMAL": lambda key: key.encode().hex().upper(),
    "\\u": lambda key: "".join(f"\\u{ord(character):04x}" for character in key),
    "\\x": lambda key: "".join(f"\\x{ord(character):02X}" for character in key),
    "every %": lambda key: "".join(f"%{ord(character):02x}" for character in key),
    "HTML": lambda key: "".join(f"&#{ord(character)};" for character in key),
    "HTML in hexadecimal": lambda key: "".join(f"&#x{ord(character):x};" for character in key),
    "backwards": lambda key: key[::-1],
    "one by one": " ".join,
    "on lines": lambda key: "\n".join(key[start : start + 5] for start in range(0, len(key), 5)),
    "in quotes": lambda key: "', '".join(key[start : start + 3] for start in range(0, len(key), 3)),
}


@pytest.mark.parametrize("form", FORMS)
@given(
    key=KEYS, before=st.sampled_from(["", "x", "wrong key: ", '{"a": "']), after=st.sampled_from(["", "!", '"}', " z"])
)
def test_no_form_of_a_key_is_left(form: str, key: str, before: str, after: str) -> None:
    """Read back by anybody who knows the form, no 16 characters of the key are there."""
    if len("".join(filter(str.isalnum, key))) < 16:
        return
    clean = redact(before + FORMS[form](key) + after, key)
    assert HIDDEN in clean
    assert len(clean) < len(before) + len(after) + len(HIDDEN) * (1 + clean.count("-") + clean.count("_")) + 24
    for start in range(len(key) - 15):
        assert FORMS[form](key[start : start + 16]).strip("=") not in clean


def test_words_of_a_sentence_are_no_key() -> None:
    text = "The picture shows a red cat at the left, so the score is 1. Digest: " + "ab12" * 16
    assert redact(text, "sk-proj-the-picture-key-0123") == text
    assert redact(html.escape(quote(json.dumps(text))), "sk-proj-abcdefgh") == html.escape(quote(json.dumps(text)))


def test_as_it_stands_in_an_address() -> None:
    key = "a/b+c=d e/f+g=h"
    assert redact("GET /?key=a%2Fb%2Bc%3Dd%20e%2Ff%2Bg%3Dh HTTP", key) == "GET /?key=[key] HTTP"


def test_a_short_key_goes_as_a_word_only() -> None:
    assert redact("Bearer abc, abcd", "abc") == f"Bearer {HIDDEN}, abcd"
    assert redact("anything", "") == "anything"
