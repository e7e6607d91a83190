"""The published parsers: replies whose scores there are known by how the replies are made, and any text at all.

``GENERATED`` replies are put together of statements of known worth, so that what the published programs make of them
follows from the facts in ``published_replies``, not from a second parser.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.benchmarks.wise.published_replies import LEGACY_RANGE, read_published_bit, read_published_scales
from evalharness.benchmarks.wise.replies import SCALES, read_bit, read_scales

GENERATED = 10_000
BITS: list[tuple[str, float | None]] = [
    ("Score: 1.0", 1),
    ("Score: 1 (shows 2 mooncakes)", 1),
    ("Score: 0 — there are 3 moons", 0),
    ("Score: 0 or Score: 1", 0),
    ("Score: 1/2", 1),
    ("Score: 2, no: Score: 1", 1),
    ("Overall_Score: 1", 1),
    ("Underscore 1", 1),
    ("**Score**: 1", 1),
    ("**Score** : 1", 1),
    ("Score:\n1", 1),
    ("score0", 0),
    ("**Score:** 1", None),
    ("***Score***: 1", None),
    ("Score：1", None),
    ("Score:: 1", None),
    ("Score: 10", None),
    ("Score: 1x", None),
    ("Score: -1", None),
    ("Scores: 1", None),
    ("It is there.\n 1 \r\n", 1),
    ("1\n1", None),
    ("2\n1", 1),
    ("Score: 2\n1", 1),
    ("<think>Score: 0</think> Score: 1", 1),
    ("Score: 0.</think>\nScore: 1", 0),
    ("Score: 0</think>\nScore: 1", 1),
    ("<think>Score: 0", 0),
    ("<THINK>Score: 0</THINK>Score: 1", 0),
    ("[THINK]Score: 0[/THINK]Score: 1", 0),
    ("<think>a<think>Score: 1</think>Score: 0</think>", 0),
    ("Sco<think>x</think>  re: 1", 1),
    ("", None),
]
SCALED: list[tuple[str, float | None]] = [
    ("Consistency: 2/2\nRealism: 2/2\nAesthetic Quality: 2/2", 1.0),
    ("Consistency: 2.0, Realism: 1 of 2; aesthetic quality 0", 0.8),
    ("Consistency: 0\nRealism: 1\nAesthetic Quality: 0\nConsistency: 2", 0.8),
    ("Consistency: 9\nRealism: 9\nAesthetic Quality: 9", 4.5),
    ("Consistency: 10\nRealism: 1\nAesthetic Quality: 0", 0.45),
    ("Inconsistency: 2\nRealism: 1\nAesthetic Quality: 0", 0.8),
    ("<think>Consistency: 2\nRealism: 1\nAesthetic Quality: 0", 0.8),
    ("Consistency: 2\nRealism: 1\n0", None),
    ("Consistency: 2\n2\n1\n0", None),
    ("Consistency：2\nRealism: 1\nAesthetic Quality: 0", None),
    ("**Consistency:** 2\nRealism: 1\nAesthetic Quality: 0", None),
    ("2\n1\n0\n2", 0.8),
    ("2\n3\n1\n0", 0.8),
    ("2\n1", None),
    ("", None),
]


def value_of(score: object) -> float | None:
    return getattr(score, "value", None)


@pytest.mark.parametrize(("text", "value"), BITS)
def test_a_bit_as_published(text: str, value: float | None) -> None:
    assert value_of(read_published_bit(text)) == value


@pytest.mark.parametrize(("text", "value"), SCALED)
def test_marks_as_published(text: str, value: float | None) -> None:
    score = read_published_scales(text)
    assert value_of(score) == (None if value is None else pytest.approx(value))


def statement(chance: random.Random, name: str, value: str) -> str:
    """A name and a value as the published programs accept it."""
    name = chance.choice([name, name.lower(), name.upper()])
    between = chance.choice(["", "*", "**"]) + chance.choice(["", " ", "\n", "\t"])
    between += chance.choice(["", ":", ": ", ":\n"])
    before = chance.choice(["", "**", "- ", "The ", "x_"])
    return before + name + between + value + chance.choice(["", ".", ".0", "/2", " (of 2)", "\r", " — yes"])


def noise(chance: random.Random, name: str) -> str:
    """What has no value there."""
    wrong = [
        f"**{name}:** 1",
        f"{name}：1",
        f"{name}:: 1",
        f"{name} = 1",
        f"{name}s: 1",
        f"{name}: one",
        "I see 3 moons.",
    ]
    return chance.choice(wrong)


def test_ten_thousand_replies_with_bits() -> None:
    chance, values = random.Random(1), []
    for _ in range(GENERATED):
        lines: list[tuple[str, str | None]] = []
        for _ in range(chance.randint(0, 4)):
            bit = chance.choice("01")
            spoken = chance.random() < 0.5
            lines.append((statement(chance, "Score", bit), bit) if spoken else (noise(chance, "Score"), None))
        thought = statement(chance, "Score", chance.choice("01")) if chance.random() < 0.3 else ""
        bare = [chance.choice("01") for _ in range(chance.randint(0, 2))]
        text = "\n".join([*(line for line, _ in lines), *bare])
        stated = [bit for _, bit in lines if bit is not None]
        expected = stated[:1] or (bare if len(bare) == 1 else [])
        values.append(value_of(read_published_bit(f"<think>{thought}</think> {text}" if thought else text)))
        assert values[-1] == (float(expected[0]) if expected else None), text
    assert min(values.count(0.0), values.count(1.0), values.count(None)) > GENERATED / 10


def test_ten_thousand_replies_with_marks() -> None:
    chance, values = random.Random(2), []
    for _ in range(GENERATED):
        names = [*SCALES, *chance.choices(SCALES, k=chance.randint(0, 3))][chance.randint(0, 1) :]
        chance.shuffle(names)
        unnamed = chance.random() < 0.3
        marks = [chance.choice("0123459") for _ in names]
        lines = [statement(chance, name, mark) for name, mark in zip(names, marks, strict=True)]
        if unnamed:  # no names at all: the first three of the bare lines count
            lines = [chance.choice("0123") for _ in range(chance.randint(2, 5))]
            bare = [line for line in lines if line != "3"]
            expected = bare[:3] if len(bare) >= 3 else []
        else:
            last = dict(zip(names, marks, strict=True))
            expected = [last[name] for name in SCALES] if len(last) == 3 else []
        lines.insert(chance.randint(0, len(lines)), noise(chance, chance.choice(SCALES)))
        score = read_published_scales("\n".join(lines))
        values.append(value_of(score))
        assert values[-1] == (pytest.approx(value(expected)) if expected else None), lines
    beyond = [number for number in values if number is not None and number > 1]
    assert min(len(beyond), values.count(None)) > GENERATED / 10
    assert all(number <= LEGACY_RANGE[1] for number in beyond)


def value(marks: Sequence[str]) -> float:
    consistency, realism, quality = map(int, marks)
    return (0.7 * consistency + 0.2 * realism + 0.1 * quality) / 2


@given(
    st.text() | st.lists(st.sampled_from(["Score", ":", "*", " ", "\n", "0", "1", "<think>", "</think>"])).map("".join)
)
def test_any_text_is_a_score_or_none(text: str) -> None:
    """What is strictly a score has the same value as published, unless thoughts come into it."""
    published = read_published_bit(text), read_published_scales(text)
    for score, (low, high) in zip(published, ((0.0, 1.0), LEGACY_RANGE), strict=True):
        assert score is None or low <= score.value <= high
    if "think>" not in text and "：" not in text:
        for strict, score in zip((read_bit(text), read_scales(text)), published, strict=True):
            assert strict is None or (score is not None and score.value == strict.value)


@pytest.mark.parametrize(
    "unit", ["score", "score ", "score:", "*", " ", "<think>", "</think> ", "<think></think>", "1\n"]
)
def test_any_length_is_read(unit: str) -> None:
    assert value_of(read_published_bit("score" + unit * 100_000 + "x Score: 1")) in (0, 1)
    assert read_published_scales("consistency" + unit * 100_000) is None
