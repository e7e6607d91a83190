"""UniGenBench: its files, replies as the published program reads them, and a run with an endpoint."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_server import Answer, Call, completion, serving

from evalharness._util.exit_codes import ExitCode
from evalharness.benchmarks.unigenbench import published
from evalharness.benchmarks.unigenbench.benchmark import UniGenBench
from evalharness.benchmarks.unigenbench.replies import counted, read_reply
from evalharness.cli import sweep
from evalharness.errors import ConfigError
from evalharness.types.item import Item

SCRIPT = '''\
import os
raise SystemExit("nothing of this file is executed")
EXPLANATION_DICT_EN = {"Style": "kinds of art", "Attribute - Color": "colours", "Attribute - Size": "sizes"}
EXPLANATION_DICT_ZH = {"风格": "画风"}
SYSTEM_PROMPT_EN_TEMPLATE = """Look: {prompt}; {testpoint}; {explanation}; {test_explanation}."""
SYSTEM_PROMPT_ZH_TEMPLATE = "看：{prompt} {testpoint} {explanation} {test_explanation}"
LANG_CONFIGS = {
    "en": {
        "explanation_dict": EXPLANATION_DICT_EN,
        "system_prompt_template": SYSTEM_PROMPT_EN_TEMPLATE,
        "prompt_column": "prompt_en",
        "subdim_column": "sub_dims_en",
        "testpoint_key": "Testpoints",
        "desc_key": "Testpoint Description",
        "checkpoint_header": "Meanings",
        "checkpoint_desc_header": "Here",
    },
    "zh": {
        "explanation_dict": EXPLANATION_DICT_ZH,
        "prompt_column": "prompt_zh",
        "subdim_column": "sub_dims_zh",
        "testpoint_key": "考点",
        "desc_key": "考点对应描述",
        "checkpoint_header": "考点",
        "checkpoint_desc_header": "描述",
    },
}
def build(text):
    return os.system(text)
'''
ROWS = [
    ("a red fox, in ink", "Art", ["Style", "Attribute - Color"], ["ink", "red"]),
    ("a tiny blue whale", "Film", ["Attribute - Color", "Attribute - Size"], ["blue", "tiny"]),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    write(tmp_path, [described(*row) for row in ROWS])
    return tmp_path


def described(prompt: str, theme: str, points: list[str], descriptions: list[str]) -> tuple[str, str]:
    about = {"Primary Categories": theme, "Testpoints": points, "Testpoint Description": descriptions}
    return prompt, json.dumps(about)


def write(folder: Path, rows: list[tuple[str, str]]) -> None:
    with (folder / "prompts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["index", "prompt_en", "sub_dims_en"])
        writer.writerows([(index, *row) for index, row in enumerate(rows)])


def items(folder: Path) -> list[Item]:
    return published.read_prompts(folder / "prompts.csv", published.read_instructions(folder / "script.py", "en"))


# --- the files ---


def test_instructions_are_built_from_constants_alone(folder: Path) -> None:
    fox, whale = items(folder)
    assert (fox.id, fox.category, whale.prompt) == ("0", "Art", "a tiny blue whale")
    told = published.read_instructions(folder / "script.py", "en")
    assert told.text("a fox", ["Style"], ["ink"]) == (
        "Look: a fox; ['Style']; Meanings:\u300c\nStyle: kinds of art\n\u300d; Here:\u300c\nStyle: ink\n\u300d."
    )
    assert published.read_instructions(folder / "script.py", "zh").headers == ("考点", "描述")


def test_the_missing_comma_of_the_published_file_is_read(folder: Path) -> None:
    prompt, about = described(*ROWS[1])
    write(folder, [(prompt, about.replace('"Attribute - Color", ', '"Attribute - Color" '))])
    (whale,) = items(folder)
    assert whale.metadata["points"] == ROWS[1][2]


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ("{", "row 1 is no prompt of UniGenBench"),
        ("[]", "row 1 is no prompt of UniGenBench"),
        (described("x", "Art", ["Style"], [])[1], "as many descriptions as test points"),
        (described("x", "Art", ["Taste"], ["sweet"])[1], "unknown test point 'Taste'"),
        (described("x", "Art", [], [])[1], "as many descriptions as test points"),
    ],
)
def test_a_row_at_fault_is_named(folder: Path, about: str, message: str) -> None:
    write(folder, [("x", about)])
    with pytest.raises(ConfigError, match=message):
        items(folder)


@pytest.mark.parametrize("text", ["", "x = (", "LANG_CONFIGS = {'en': 1}", SCRIPT.replace("{prompt}", "{other}"), "é"])
def test_another_script_is_refused(folder: Path, text: str) -> None:
    (folder / "script.py").write_bytes(text.encode("latin-1" if text == "é" else "utf-8"))
    with pytest.raises(ConfigError, match=r"script\.py"):
        published.read_instructions(folder / "script.py", "en")


# --- replies ---


def reply(analysis: str, score: str) -> str:
    return f"Well. <description><analysis>{analysis}</analysis>\n<score> {score} </score></description>"


def test_marks_are_counted(folder: Path) -> None:
    fox, _ = items(folder)
    stated = read_reply(reply("['thin lines', \"it's orange\"]", "[1, 0]"))
    assert stated is not None
    score = counted(fox, stated)
    assert score is not None
    assert (score.value, score.reason) == (0.5, "Attribute - Color: red")
    assert score.details["aspects"] == [["Style", 1], ["Attribute", 0], ["Attribute - Color", 0]]


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (reply("['a', 'b']", "[1.0, True]"), [True, True]),
        (reply("['a', 'b']", "['1', 2]"), [False, False]),
        (reply("('a', 'b')", "(1, 1)"), [True, True]),
        (f"<score>[0, 0]</score>{reply('[1, 2]', '[1, 1]')}", [False, False]),
        (reply("['a']", "[1, 0]"), None),
        (reply("['a', 'b'", "[1, 0]"), None),
        (reply("a, b", "[1, 0]"), None),
        (reply("['a', 'b']", "11"), None),
        ("<analysis>['a']</analysis>", None),
        (reply("[" * 50_000, "[1]"), None),
        (reply("['a']", "[" + "1" * 300_000 + "]"), None),
    ],
)
def test_replies_are_read_as_published(text: str, marks: list[bool] | None) -> None:
    stated = read_reply(text)
    assert (None if stated is None else stated.details["marks"]) == marks


@given(st.text(), st.text() | st.lists(st.integers(0, 1)).map(repr))
def test_any_reply_is_read_or_not(analysis: str, score: str) -> None:
    read_reply(analysis)
    stated = read_reply(reply(repr([analysis]), score))
    assert stated is None or len(stated.details["marks"]) == 1


def test_another_number_of_marks_does_not_fit(folder: Path) -> None:
    stated = read_reply(reply("['a']", "[1]"))
    assert stated is not None
    assert counted(items(folder)[0], stated) is None


# --- a run ---


def test_a_run(folder: Path) -> None:
    """The judge forgets a mark at first; of the fox the style is right, of the whale all."""
    asked: list[str] = []

    def respond(call: Call) -> Answer:
        if call.method == "GET":
            return Answer({"data": [{"id": "gemini-2.5-pro"}]})
        text = call.text
        if not text.startswith("Look: "):
            return Answer(completion("red"))
        asked.append(text)
        marks = "[1]" if call.nth == 0 and "fox" in text else "[1, 0]" if "fox" in text else "[1, 1]"
        return Answer(completion(reply(repr(["seen"] * (1 + marks.count(","))), marks)))

    with serving(respond) as (_, url):
        (folder / "sweep.yaml").write_text(
            "name: points\nmodel: mock\nbenchmarks:\n  - name: unigenbench\n    prompts: prompts.csv\n"
            "    script: script.py\n    samples: 1\n"
            f"    judge: {{name: openai, base_url: '{url}', model: gemini-2.5-pro}}\n"
            "arms:\n  - {name: single-pass, variant: single_pass}\n"
        )
        out = folder / "r" / "points"
        assert sweep.main([str(folder / "sweep.yaml"), "--out", str(out), "--quiet"]) == ExitCode.COMPLETE
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    (row,) = results["summary"]["unigenbench"]
    assert row["overall"] == pytest.approx(0.75)
    aspects = results["analysis"]["unigenbench"]["aspects"]["single-pass"]
    means = {name: (mean["value"], mean["samples"]) for name, mean in aspects.items()}
    assert means == {
        "Style": (1, 1),
        "Attribute": (pytest.approx(2 / 3), 3),
        "Attribute - Color": (0.5, 2),
        "Attribute - Size": (1, 1),
    }
    assert sum("fox" in text for text in asked) == 2
    page = re.sub(r"\s+", " ", (out / "index.html").read_text())
    assert "By aspect" in page


def test_judges_that_are_not_published_are_named(folder: Path) -> None:
    def notes(model: str, **settings: Any) -> str:
        judge = {"name": "openai", "base_url": "http://127.0.0.1:1/v1", "model": model}
        chosen = {"prompts": folder / "prompts.csv", "script": folder / "script.py", "judge": judge, **settings}
        return " ".join(UniGenBench(UniGenBench.Settings.model_validate(chosen)).notes())

    assert "is none of them" not in notes("gemini-2.5-pro")
    assert "none of them" in notes("gemini-2.5-flash")
    released = "CodeGoat24/UniGenBench-EvalModel-qwen3vl-32b-v1"
    assert "order: image-first" in notes(released)
    assert "order:" not in notes(released, order="image-first")
