"""Checklists of one's own: their file, their rules, what a judge is asked and says, and a whole run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugin_packages import InstallPlugins

from evalharness._util.exit_codes import ExitCode
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.benchmarks.checklist import checklist_file
from evalharness.benchmarks.checklist.checklist_rules import scored
from evalharness.benchmarks.checklist.rubric import AllQuestions, OneQuestion, read_answer, read_answers
from evalharness.cli import sweep
from evalharness.errors import ConfigError, SampleError
from evalharness.types.item import Item
from evalharness.types.reply import Reply

LINES: list[dict[str, Any]] = [
    {
        "prompt": "a red cup on a table",
        "id": "cup",
        "category": "things",
        "questions": [
            {"question": "Is there a cup?", "weight": 2},
            {"question": "Is the cup red?", "after": [1]},
            {"question": "Is there a second cup?", "answer": "no", "name": "one cup"},
        ],
    },
    {"prompt": "rain", "category": "weather", "questions": [{"question": "Does it rain?"}]},
]


def write(folder: Path, lines: Sequence[Mapping[str, Any] | str]) -> Path:
    path = folder / "lists.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


# --- the file ---


def test_items(tmp_path: Path) -> None:
    cup, rain = checklist_file.read(write(tmp_path, LINES))
    assert (cup.id, cup.category, rain.id, rain.prompt) == ("cup", "things", "00002", "rain")
    assert [question["weight"] for question in cup.metadata["questions"]] == [2, 1, 1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "lists.jsonl:2: invalid JSON"),
        ('{"prompt": "x"}', "lists.jsonl:2: key 'questions' is missing"),
        ('{"prompt": "x", "questions": []}', "lists.jsonl:2: questions"),
        ('{"prompt": "x", "questions": [{"question": " "}]}', r"lists.jsonl:2: questions.0.question"),
        ('{"prompt": "x", "questions": [{"question": "a?", "answer": "maybe"}]}', "'yes' or 'no'"),
        ('{"prompt": "x", "questions": [{"question": "a?", "weight": 0}]}', "greater than 0"),
        ('{"prompt": "x", "questions": [{"question": "a?", "after": [1]}]}', "question 1 is after question 1"),
        ('{"prompt": "x", "questions": [{"question": "a?"}], "id": "cup"}', "the id 'cup' stands twice"),
    ],
)
def test_a_line_at_fault_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checklist_file.read(write(tmp_path, [LINES[0], line]))


def test_a_file_without_checklists(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no checklists"):
        checklist_file.read(write(tmp_path, []))
    with pytest.raises(ConfigError, match="cannot read"):
        checklist_file.read(tmp_path / "none.jsonl")


# --- the rules ---


@st.composite
def answered(draw: st.DrawFn) -> tuple[Item, list[bool]]:
    count = draw(st.integers(1, 6))
    questions = [
        {
            "question": f"{number}?",
            "answer": draw(st.sampled_from(["yes", "no"])),
            "weight": draw(st.integers(1, 4)),
            "after": draw(st.lists(st.integers(1, number), max_size=2)) if number else [],
            "name": None,
            "aspect": draw(st.sampled_from([None, "color", "number"])),
        }
        for number in range(count)
    ]
    answers = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return Item("", "", "", {"questions": questions}), answers


@given(answered())
def test_a_question_counts_if_it_and_all_that_it_rests_on_are_right(case: tuple[Item, list[bool]]) -> None:
    item, answers = case
    questions = item.metadata["questions"]

    def rests_on(index: int) -> set[int]:
        """All questions that must be right, this one included, by following every path."""
        found, open_ones = set(), [index]
        while open_ones:
            current = open_ones.pop()
            found.add(current)
            open_ones += [number - 1 for number in questions[current]["after"] if number - 1 not in found]
        return found

    agrees = [answer == (question["answer"] == "yes") for question, answer in zip(questions, answers, strict=True)]
    counting = [all(agrees[other] for other in rests_on(index)) for index in range(len(questions))]
    share = sum(question["weight"] for question, counts in zip(questions, counting, strict=True) if counts)
    score = scored(item, answers)
    assert score.value == pytest.approx(share / sum(question["weight"] for question in questions))
    assert (score.value == 1) == all(counting) == (score.reason == "")
    assert score.details["right"] == counting
    named = [[question["aspect"], counts] for question, counts in zip(questions, counting, strict=True)]
    assert score.details.get("aspects", []) == [pair for pair in named if pair[0] is not None]


# --- the judge ---


@pytest.mark.parametrize("text", ["yes", "Yes.", "**YES**", "I see a cup.\nAnswer: yes", "- yes\n\nYes!"])
def test_an_answer(text: str) -> None:
    score, other = read_answer(text), read_answer(text.replace("yes", "no").replace("Yes", "No").replace("YES", "NO"))
    assert score is not None
    assert other is not None
    assert (score.value, other.value) == (1, 0)


@pytest.mark.parametrize("text", ["", "maybe", "yes and no", "yes\nno", "yes, there is a cup", "yesterday", "not"])
def test_no_answer(text: str) -> None:
    assert read_answer(text) is None


def test_numbered_answers() -> None:
    score = read_answers("Here:\n1: yes\n**2.** No\n(3) YES.\n")
    assert score is not None
    assert score.details == {"answers": {"1": "yes", "2": "no", "3": "yes"}}
    assert read_answers("1: yes\n1: no") is None
    assert read_answers("yes") is None


@given(st.text())
def test_any_reply_is_read_or_not(text: str) -> None:
    assert read_answer(text) is None or read_answer(text).value in (0, 1)  # type: ignore[union-attr]
    assert read_answers(text) is None or 0 <= read_answers(text).value <= 1  # type: ignore[union-attr]


def test_digests_are_of_the_rubric_alone() -> None:
    assert OneQuestion().digest() == OneQuestion().digest() != AllQuestions().digest()


# --- a run ---

FACTS = {"Is there a cup?": "yes", "Is the cup red?": "no", "Is there a second cup?": "no", "Does it rain?": "yes"}


class Eye(Judge):
    """Knows the answers to all questions, and answers at the second try if one has to do with rain."""

    name = "eye"
    in_process = True

    def __init__(self, settings: Any) -> None: ...

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        for number, prompt in prompts:
            text = prompt.messages[1]["content"][1]["text"]
            if "rain" in text and not prompt.tried:
                yield number, Reply("Let me see.")
            elif text.startswith("1. "):
                asked = [line.partition(". ")[2] for line in text.splitlines() if line[:1].isdigit()]
                yield number, Reply("\n".join(f"{place}: {FACTS[line]}" for place, line in enumerate(asked, 1)))
            else:
                yield number, Reply(FACTS[text.partition("\n")[0]])


@pytest.mark.parametrize("ask", ["each", "together"])
def test_a_run(tmp_path: Path, install_plugins: InstallPlugins, ask: str) -> None:
    """Of the cup 3 of 4 parts are right, of the rain all; both categories count the same."""
    install_plugins(judges=[Eye])
    write(tmp_path, LINES)
    (tmp_path / "sweep.yaml").write_text(
        "name: lists\nmodel: mock\nbenchmarks:\n"
        f"  - {{name: checklist, prompts: lists.jsonl, judge: eye, ask: {ask}, judge_repeats: 2}}\n"
        "arms:\n  - {name: single-pass, variant: single_pass}\n"
    )
    command = [str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "r" / "lists"), "--quiet"]
    assert sweep.main(command) == ExitCode.COMPLETE
    results = json.loads((tmp_path / "r" / "lists" / "results.json").read_text())
    (row,) = results["summary"]["checklist"]
    assert row["overall"] == pytest.approx((0.75 + 1) / 2)
    (sample,) = [
        json.loads(line)
        for path in (tmp_path / "r" / "lists" / "samples").glob("*.jsonl")
        for line in path.read_text().splitlines()
        if "a red cup" in line
    ][:1]
    assert "Is the cup red?" in json.dumps(sample)
