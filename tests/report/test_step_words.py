"""Texts of steps without markers: nothing but well-formed markers is taken away."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from evalharness.generation.formats.strokes import plan_text, wrap
from evalharness.report import step_words

words = st.text(alphabet=st.characters(exclude_characters="<>"), max_size=40)


def test_examples() -> None:
    assert doctest.testmod(step_words).failed == 0


@given(words, words)
def test_all_that_a_model_wrote_between_markers_stays(first: str, second: str) -> None:
    lines = step_words.step_words(plan_text(first, second))
    assert lines == f"Next: {first.strip()}\nThe scene then: {second.strip()}"
    assert step_words.step_words(wrap(first, "inspect")) == first.strip()


@given(st.text(max_size=60))
def test_a_text_without_markers_stays_as_it_is(text: str) -> None:
    if not any(f"<{name}>" in text for name in (*step_words.NAMES, "end")):
        assert step_words.step_words(text) == text
