"""Which replies have a score: the same for every judged benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.benchmarks.edits.benchmark import Edits
from evalharness.benchmarks.wise.legacy import WiseLegacy
from evalharness.benchmarks.wise.mini import WiseMini
from evalharness.benchmarks.wise.verified import WiseVerified
from evalharness.judges.judged_benchmark import JudgedBenchmark
from evalharness.judges.parsing import Parser, lines_of
from evalharness.types.reply import Reply

ANSWERS: dict[type[JudgedBenchmark], tuple[str, str]] = {
    WiseVerified: ("Score: 1", "Score: 0"),
    WiseMini: ("Score: 1", "Score: 0"),
    WiseLegacy: (
        "Consistency: 2\nRealism: 2\nAesthetic Quality: 2",
        "Consistency: 0\nRealism: 0\nAesthetic Quality: 0",
    ),
    Edits: ("Followed: 10\nKept: 10", "Followed: 0\nKept: 0"),
}
"""Of each judged benchmark an answer for a right image, and one for a wrong image."""


def parser(benchmark: type[JudgedBenchmark]) -> Parser:
    settings: dict[str, Any] = {"judge": "mock"} | ({"prompts": "x.jsonl"} if benchmark is Edits else {})
    made: Callable[[Any], JudgedBenchmark] = benchmark
    return made(benchmark.Settings.model_validate(settings)).parser()


@pytest.mark.parametrize("benchmark", ANSWERS)
def test_no_benchmark_reads_thoughts_or_what_is_cut_off(benchmark: type[JudgedBenchmark]) -> None:
    right, wrong = ANSWERS[benchmark]
    tested = parser(benchmark)
    assert tested.name == "strict"
    for reply in (
        Reply(right),
        Reply(f"<think>{wrong}</think>{right}"),
        Reply(f"[THINK]{wrong}[/THINK]\n{right}"),
        Reply(f"{wrong}\n</think>\n{right}"),
        Reply(f"{wrong}\n\n{right}", reasoning=wrong),
        Reply(right, reasoning=wrong),
        Reply(right, ""),
    ):
        score = tested.score(reply, "fail")
        assert score is not None, reply
        assert score.value == 1
    for reply in (
        Reply(f"<think>The rule says {wrong} if … so I should check whether the", "length"),
        Reply(f"The rule says\n{wrong}\nif … so I should check whether the", "length"),
        Reply(f"<thinking>{wrong}"),
        Reply("", reasoning=wrong),
        Reply(wrong, "content_filter"),
        Reply("", refusal=wrong),
    ):
        assert tested.score(reply, "fail") is None, reply


def test_cut_replies_are_read_where_that_is_asked_for() -> None:
    tested = parser(WiseVerified)
    cut = Reply("Score: 1 because the", "length")
    assert tested.score(cut, "fail") is None
    assert tested.score(cut, "as-published") == tested.score(Reply("Score: 1 because the"), "fail")
    assert tested.score(Reply("<think>Score: 1", "length"), "as-published") is None, "thoughts are none"


@pytest.mark.parametrize("benchmark", ANSWERS)
@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "```\n{}```", "\n {} ", "<think>hm</think>{}"])
def test_a_structured_answer_is_read(benchmark: type[JudgedBenchmark], form: str) -> None:
    for text, value in zip(ANSWERS[benchmark], (1, 0), strict=True):
        pairs = [line.split(": ") for line in text.split("\n")]
        answer = json.dumps({name.lower().replace(" ", "_"): int(mark) for name, mark in pairs})
        score = parser(benchmark).score(Reply(form.replace("{}", answer)), "fail")
        assert score is not None
        assert score.value == value


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ('{"score": 1.0}', "score: 1"),
        ('{"score": 0.5}', "score: 0.5"),
        ('{"score": "1"}', "score: 1"),
        ('{"score": true}', "score: True"),
        ('{"score": 1', '{"score": 1'),
        ("{score: 1}", "{score: 1}"),
        ("[1]", "[1]"),
        ("Score: 1", "Score: 1"),
        ("{" * 100_000 + "}", "{" * 100_000 + "}"),
    ],
)
def test_lines_of_an_object(answer: str, lines: str) -> None:
    assert lines_of(answer) == lines


@given(st.text())
def test_any_answer_has_lines(text: str) -> None:
    assert isinstance(lines_of(text), str)
