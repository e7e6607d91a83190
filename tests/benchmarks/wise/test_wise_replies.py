"""Replies worked out by hand, and any text at all."""

from __future__ import annotations

import math
import re
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.benchmarks.wise.replies import SCALES, read_bit, read_scales
from evalharness.types.score import Score

BITS: list[tuple[str, int]] = [
    ("Score: 1", 1),
    ("Score: 0", 0),
    ("  score:0 \r\n", 0),
    ("SCORE 1", 1),
    ("**Score**: 1", 1),
    ("**Score: 1**", 1),
    ("`Score: 0`", 0),
    ("Score：1", 1),
    ("Score: 1.", 1),
    ("Score: 1 because the mooncake is there", 1),
    ("The image shows a mooncake.\n\nScore: 1", 1),
    ("Score: 1\nScore: 1", 1),
    ("Score:\n1", 1),
    ("1", 1),
    (" 0 \n", 0),
    ("The mooncake is missing.\n0", 0),
]
NO_BIT = [
    "",
    "one",
    "Score:",
    "Score: ",
    "Score: 2",
    "Score: 10",
    "Score: 01",
    "Score: 1.5",
    "Score: 1,5",
    "Score: 1.0",
    "Score: -1",
    "Score: +1",
    "Score: 1/1",
    "Score: 1/10",
    "Score: 1 %",
    "Score: 1 out of 10",
    "Score: 1½",
    "Score: 0 or 1",
    "Score: 0 or Score: 1",
    "Score: 0\nScore: 1",
    "Score: 1\nScore: 2",
    "Score: 2\n1",
    "Score = 1",
    "**Score:** 1",
    "**Score:** 0\n1",
    "Underscore: 1",
    "Scores: 1",
    "The Score\n1. It is there.",
    "Score: one",
    "Score: １",
    "0\n1",
    "1\n1",
    "1\n2",
    "1.5",
    "10",
    "-1",
    "1 1",
]


@pytest.mark.parametrize(("text", "bit"), BITS)
def test_a_bit_is_read(text: str, bit: int) -> None:
    score = read_bit(text)
    assert score is not None
    assert (score.value, score.reason) == (bit, "" if bit else "judged 0")


@pytest.mark.parametrize("text", NO_BIT)
def test_no_bit_is_guessed(text: str) -> None:
    assert read_bit(text) is None


SCALED: list[tuple[str, tuple[int, int, int], float]] = [
    ("Consistency: 2\nRealism: 2\nAesthetic Quality: 2", (2, 2, 2), 1.0),
    ("Consistency: 0\nRealism: 0\nAesthetic Quality: 0", (0, 0, 0), 0.0),
    ("Consistency: 2\nRealism: 1\nAesthetic Quality: 0", (2, 1, 0), 0.8),
    ("Consistency: 1\nRealism: 1\nAesthetic Quality: 1", (1, 1, 1), 0.5),
    ("Consistency: 0\nRealism: 2\nAesthetic Quality: 1", (0, 2, 1), 0.25),
    ("**consistency**: 1\n**REALISM**：0\n**Aesthetic quality** 2", (1, 0, 2), 0.45),
    ("Aesthetic Quality: 0\nConsistency: 2\nRealism: 1", (2, 1, 0), 0.8),
    ("Consistency: 2, Realism: 1, Aesthetic Quality: 0", (2, 1, 0), 0.8),
    ("2\n1\n0", (2, 1, 0), 0.8),
    ("Marks:\n 2 \n\n1\r\n0\nThat is all.", (2, 1, 0), 0.8),
    ("2\n1\n0\n2", (2, 1, 0), 0.8),
]
NO_SCALES = [
    "",
    "Consistency: 2",
    "Consistency: 2\nRealism: 1",
    "Consistency: 2\nRealism: 1\n0",
    "Consistency: 3\nRealism: 1\nAesthetic Quality: 0",
    "Consistency: 2\nRealism: 1.5\nAesthetic Quality: 0",
    "Consistency: 2/2\nRealism: 1\nAesthetic Quality: 0",
    "Consistency: 2\nRealism: 1\nAesthetic Quality: 0\nRealism: 2",
    "Consistency: 20\nRealism: 1\nAesthetic Quality: 0",
    "Inconsistency: 2\nRealism: 1\nAesthetic Quality: 0",
    "Consistency: 2\nRealism: 1\nAesthetic: 0",
    "2\n1",
    "2\n3\n1\n0",
    "2 1 0",
    "210",
]


@pytest.mark.parametrize(("text", "marks", "value"), SCALED)
def test_three_marks_are_read(text: str, marks: tuple[int, int, int], value: float) -> None:
    score = read_scales(text)
    assert score is not None
    assert score.value == pytest.approx(value)
    assert tuple(score.details.values()) == marks


@pytest.mark.parametrize("text", NO_SCALES)
def test_no_mark_is_guessed(text: str) -> None:
    assert read_scales(text) is None


def test_the_value_is_that_of_the_formula() -> None:
    for marks in product((0, 1, 2), repeat=3):
        score = read_scales("\n".join(map(str, marks)))
        assert score is not None
        assert score.value == pytest.approx((0.7 * marks[0] + 0.2 * marks[1] + 0.1 * marks[2]) / 2)
        assert 0 <= score.value <= 1


WORDS = st.sampled_from(
    [
        *("score", "Score:", "**Score**", "：", ":", "*", "0", "1", "2", "10", "1.5", "%", "\n", "\r\n", " ", "or"),
        *("Consistency", "Realism:", "Aesthetic Quality", "٣", "½", "\u2028", "\0", "-"),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(WORDS, max_size=30).map("".join))


@given(TEXTS)
def test_any_text_is_a_score_or_none(text: str) -> None:
    bit, scales = read_bit(text), read_scales(text)
    assert bit is None or bit.value in (0, 1)
    assert scales is None or (0 <= scales.value <= 1 and set(scales.details.values()) <= {0, 1, 2})


@given(TEXTS)
def test_a_score_is_never_read_without_its_digit(text: str) -> None:
    """The digit of a bit stands in what was spoken, and no other bit is stated there."""
    score = read_bit(text)
    if score is not None:
        assert str(int(score.value)) in text
        other = str(1 - int(score.value))
        assert not re.search(rf"\bscore: {other}\b", text, re.IGNORECASE)


@given(st.permutations(SCALES), st.lists(st.sampled_from("012"), min_size=3, max_size=3))
def test_the_order_of_the_labels_does_not_matter(names: list[str], marks: list[str]) -> None:
    score = read_scales("\n".join(f"{name}: {mark}" for name, mark in zip(names, marks, strict=True)))
    assert isinstance(score, Score)
    assert {name: str(score.details[name.replace(" ", "_")]) for name in names} == dict(zip(names, marks, strict=True))


@pytest.mark.parametrize("unit", ["score", "score ", "score:", "*", "1\n", "1.", "Realism: 1 "])
def test_a_long_reply_takes_time_in_proportion(unit: str) -> None:
    """Ten times the text takes about ten times as long, and never near the hundred times of a quadratic search."""

    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        best = math.inf
        for _ in range(3):
            start = time.process_time()
            read_bit("score" + text)
            read_scales("consistency" + text)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(1_000_000) < 40 * max(seconds(100_000), 1e-3)
