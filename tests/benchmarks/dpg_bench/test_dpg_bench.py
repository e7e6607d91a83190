"""DPG-Bench: its file, the rules of both protocols against other ways to compute them, and a run with an endpoint."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_server import Answer, Call, completion, serving
from PIL import Image

from evalharness._util.exit_codes import ExitCode
from evalharness.api.benchmark import Exported
from evalharness.assets.asset import find_cached
from evalharness.benchmarks.dpg_bench import question_file
from evalharness.benchmarks.dpg_bench.benchmark import QUESTIONS, DPGBench
from evalharness.benchmarks.dpg_bench.dpg_rules import scored
from evalharness.cli import sweep
from evalharness.errors import ConfigError, EvalHarnessError, SampleError
from evalharness.types.item import Item
from evalharness.types.score import LAST_IMAGE_ONLY, Score

COLUMNS = (
    "item_id text keywords proposition_id dependency category_broad category_detailed tuple question_natural_language"
)
PROMPT_FILES = "d10a3e896f95575cc0c74df1e3e7283fd482c093bfad316c438b5b6e83e8e004"


Question = tuple[str, int, str, str, str]
QUESTIONS_HERE: list[Question] = [
    ("p1", 1, "0", "entity - whole (cup)", "Is there a cup?"),
    ("7", 1, "0", "entity - whole (dog)", "Is there a dog?"),
    ("7", 2, "1", "attribute - color (dog, red)", "Is the dog red?"),
    ("7", 3, "1, 2", "relation - spatial (dog, house, left of)", "Is the red dog left of the house?"),
    ("7", 4, "0", "global - (photo)", "Is it a photo?"),
    ("x_9", 1, "0", "other - count (cups, ==3)", "Are there three cups?"),
]


def write(folder: Path, questions: list[Question] = QUESTIONS_HERE) -> Path:
    path = folder / "questions.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS.split())
        for item, number, after, about, question in questions:
            writer.writerow([item, f"the prompt {item}, in full", "", number, after, "", "", about, question])
    return path


def benchmark(path: Path, protocol: str = "published", judge: Any = "mock") -> DPGBench:
    return DPGBench(DPGBench.Settings.model_validate({"judge": judge, "prompts": path, "protocol": protocol}))


def numbers(item: Item) -> list[int]:
    return [question["number"] for question in item.metadata["questions"]]


# --- the file ---


def test_the_first_row_is_skipped_as_published(tmp_path: Path) -> None:
    dog, cups = question_file.read(write(tmp_path), "published")
    assert (dog.id, dog.prompt, cups.id) == ("7", "the prompt 7, in full", "x_9")
    assert dog.metadata["questions"][2] == {
        "number": 3,
        "question": "Is the red dog left of the house?",
        "after": [1, 2],
        "category": "relation - spatial",
    }
    assert [item.id for item in question_file.read(write(tmp_path), "corrected")] == ["p1", "7", "x_9"]


def test_a_prompt_that_rests_on_the_skipped_row_is_left_out_as_published(tmp_path: Path) -> None:
    path = write(tmp_path, [*QUESTIONS_HERE[1:], ("late", 1, "3,1", "entity - whole (x)", "Is there an x?")])
    assert [item.id for item in question_file.read(path, "published")] == ["x_9"]
    assert [item.id for item in question_file.read(path, "corrected")] == ["7", "x_9", "late"]
    assert any("rest 1 times" in note for note in benchmark(path, "corrected").notes())


def test_rows_that_stand_apart_and_numbers_that_stand_twice(tmp_path: Path) -> None:
    first, *rest = QUESTIONS_HERE
    again: list[Question] = [
        ("7", 6, "0", "entity - part (tail)", "Has it a tail?"),
        ("7", 6, "0", "entity - part (ear)", "Has it an ear?"),
    ]
    path = write(tmp_path, [first, *rest, *again])
    published = {item.id: item for item in question_file.read(path, "published")}
    corrected = {item.id: item for item in question_file.read(path, "corrected")}
    assert (numbers(published["7"]), numbers(corrected["7"])) == ([6], [1, 2, 3, 4, 6])
    assert published["7"].metadata["questions"][0]["question"] == "Has it an ear?"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a b", 1, "0", "t (x)", "q?"), "row 2: item_id"),
        (("a", 1, "", "t (x)", "q?"), r"row 2: dependency\.0"),
        (("a", 1, "0;1", "t (x)", "q?"), r"row 2: dependency\.0"),
        (("a", "one", "0", "t (x)", "q?"), "row 2: proposition_id"),
        (("a", 1, "0", "", "q?"), "row 2: tuple"),
        (("a", 1, "0", "t (x)", " "), "row 2: question_natural_language"),
    ],
)
def test_a_row_at_fault_is_named(tmp_path: Path, row: Question, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        question_file.read(write(tmp_path, [QUESTIONS_HERE[0], row]), "corrected")


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"other\.csv row 1: key 'item_id' is missing"):
        question_file.read(path, "published")
    with pytest.raises(ConfigError, match="has no questions"):
        question_file.read(write(tmp_path, []), "published")
    with pytest.raises(ConfigError, match="has no prompts that can be scored"):
        question_file.read(write(tmp_path, QUESTIONS_HERE[:1]), "published")


def test_the_published_file_is_known_by_its_git_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path))
    settings = DPGBench.Settings.model_validate({"judge": "mock"})
    with pytest.raises(EvalHarnessError, match="evalharness fetch dpg-bench"):
        DPGBench(settings).items()
    QUESTIONS.path.parent.mkdir(parents=True)
    QUESTIONS.path.write_bytes(write(tmp_path).read_bytes())
    with pytest.raises(EvalHarnessError, match="its git blob has another digest; delete it"):
        DPGBench(settings).items()


@pytest.mark.skipif(find_cached(QUESTIONS) is None, reason="not fetched")
def test_the_published_file() -> None:
    """Its prompts are those of the published folder of text files, whose digest is that of sorted ids and texts."""
    settings = DPGBench.Settings.model_validate({"judge": "mock", "protocol": "corrected"})
    items = DPGBench(settings).items()
    assert len(items) == 1065
    listed = sorted((item.id, item.prompt.strip()) for item in items)
    assert hashlib.sha256(json.dumps(listed).encode()).hexdigest() == PROMPT_FILES


# --- the rules ---


def item_of(*questions: tuple[int, list[int]]) -> Item:
    asked = [
        {"number": number, "question": f"{number}?", "after": after, "category": "entity - whole"}
        for number, after in questions
    ]
    return Item("", "", "", {"questions": asked})


def score_of(item: Item, answers: list[bool], protocol: Any) -> Score:
    score = scored(item, [Score(float(answer)) for answer in answers], protocol)
    assert isinstance(score, Score)
    return score


@st.composite
def answered(draw: st.DrawFn) -> tuple[Item, list[bool]]:
    order = draw(st.permutations(range(1, draw(st.integers(1, 6)) + 1)))
    parents = st.lists(st.sampled_from(order), max_size=3)
    answers = draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    return item_of(*((number, draw(parents)) for number in order)), answers


@given(answered())
def test_published_looks_up_once_what_a_question_rests_on(case: tuple[Item, list[bool]]) -> None:
    item, answers = case
    questions = item.metadata["questions"]
    order = numbers(item)

    def counts(index: int) -> bool:
        """A question that stands later, and the question itself, are looked up as they were answered."""
        looked_up = [order.index(number) for number in questions[index]["after"]]
        return answers[index] and all(counts(other) if other < index else answers[other] for other in looked_up)

    expected = [counts(index) for index in range(len(order))]
    score = score_of(item, answers, "published")
    assert (score.details["right"], score.value) == (expected, sum(expected) / len(expected))


@given(answered())
def test_corrected_follows_every_path(case: tuple[Item, list[bool]]) -> None:
    item, answers = case
    questions = {question["number"]: question["after"] for question in item.metadata["questions"]}
    said = dict(zip(questions, answers, strict=True))

    def rests_on(number: int) -> set[int]:
        reached, open_ones = set[int](), [number]
        while open_ones:
            current = open_ones.pop()
            reached.add(current)
            open_ones += [other for other in questions[current] if other not in reached]
        return reached

    expected = [all(said[other] for other in rests_on(number)) for number in questions]
    score = score_of(item, answers, "corrected")
    assert score.details["right"] == expected
    assert (score.value == 1) == (score.reason == "")
    assert score.value <= score_of(item, answers, "published").value


def test_protocols_differ_where_a_question_stands_before_one_that_it_rests_on() -> None:
    item = item_of((3, [2]), (2, [1]), (1, []))
    assert score_of(item, [True, True, False], "published").value == pytest.approx(1 / 3)
    assert score_of(item, [True, True, False], "corrected").value == 0


def test_a_missing_question_fails_the_image_only_if_it_is_looked_up() -> None:
    item = item_of((1, []), (2, [1, 9]))
    failed = scored(item, [Score(1.0), Score(1.0)], "published")
    assert isinstance(failed, SampleError)
    assert "rests on question 9, which is missing" in str(failed)
    assert score_of(item, [False, True], "published").value == 0
    assert score_of(item, [True, True], "corrected").value == 1


def test_aspects_are_the_answers_as_given(tmp_path: Path) -> None:
    dog, _ = question_file.read(write(tmp_path), "published")
    score = score_of(dog, [False, True, True, True], "published")
    assert score.value == 0.25
    assert score.reason.splitlines() == [
        "not right: Is there a dog?",
        "not right: Is the dog red?",
        "not right: Is the red dog left of the house?",
    ]
    assert score.details["aspects"] == [
        ["entity", 0],
        ["entity - whole", 0],
        ["attribute", 1],
        ["attribute - color", 1],
        ["relation", 1],
        ["relation - spatial", 1],
        ["global", 1],
        ["global -", 1],
    ]
    assert score.details[LAST_IMAGE_ONLY] is True
    assert LAST_IMAGE_ONLY not in score_of(dog, [True] * 4, "corrected").details


# --- a run ---

RED, BLUE = (200, 0, 0), (0, 0, 200)
SWEEP = """\
name: dense
models: {{mine: {{name: folder, path: images, pattern: "{{item}}.png", grid: 2x2}}}}
benchmarks:
  - {{name: dpg-bench, prompts: questions.csv, judge: {judge}}}
  - {{name: dpg-bench, alias: dpg-corrected, protocol: corrected, prompts: questions.csv, judge: {judge}}}
arms:
  - {{name: mine, model: mine, variant: single_pass}}
"""


def test_grids_are_scored_by_both_protocols_from_the_same_replies(tmp_path: Path) -> None:
    """Red images have everything but a dog; only the last image of prompt 7 is blue, and has everything."""
    write(tmp_path)
    (tmp_path / "images").mkdir()
    for name in ("p1", "7", "x_9"):
        grid = Image.new("RGB", (16, 16), RED)
        if name == "7":
            grid.paste(BLUE, (8, 8, 16, 16))
        grid.save(tmp_path / "images" / f"{name}.png")
    asked: list[tuple[bool, str]] = []

    def respond(call: Call) -> Answer:
        if call.method == "GET":
            return Answer({"data": [{"id": "judge-1"}]})
        parts = call.body["messages"][-1]["content"]
        data = next(part["image_url"]["url"] for part in parts if "image_url" in part).partition(",")[2]
        image = Image.open(BytesIO(base64.b64decode(data))).convert("RGB")
        blue = image.getpixel((0, 0)) == BLUE
        question = call.text.splitlines()[0]
        if image.size == (8, 8):
            asked.append((blue, question))
        return Answer(completion("No." if "there a dog" in question and not blue else "Yes."))

    with serving(respond) as (_, url):
        judge = f"{{name: openai, base_url: '{url}', model: judge-1}}"
        (tmp_path / "sweep.yaml").write_text(SWEEP.format(judge=judge))
        out = tmp_path / "r" / "dense"
        assert sweep.main([str(tmp_path / "sweep.yaml"), "--out", str(out), "--quiet"]) == ExitCode.COMPLETE
    results = json.loads((out / "results.json").read_text())
    (published,), (corrected,) = results["summary"]["dpg-bench"], results["summary"]["dpg-corrected"]
    dog = (3 * 0.25 + 1) / 4
    assert published["overall"] == pytest.approx((dog + 1) / 2)
    assert corrected["overall"] == pytest.approx((1 + dog + 1) / 3)
    means = {
        name: {aspect: (mean["value"], mean["samples"]) for aspect, mean in of_benchmark["aspects"]["mine"].items()}
        for name, of_benchmark in results["analysis"].items()
    }
    assert means["dpg-bench"]["entity"] == (1, 1), "of the last image alone"
    assert means["dpg-corrected"]["entity"] == (pytest.approx((4 + 1) / 8), 8)
    assert means["dpg-corrected"]["relation - spatial"] == (1, 4), "as answered"
    page = (out / "index.html").read_text()
    assert "DPG-Bench, published protocol" in page
    assert "damo/mplug_visual-question-answering_coco_large_en" in page
    assert len(asked) == len(set(asked)) == 10, "one reply to a question about an image serves both protocols"


def test_an_export_is_the_folder_that_the_published_program_scores(tmp_path: Path) -> None:
    def picture(color: tuple[int, int, int], size: int = 8) -> bytes:
        file = BytesIO()
        Image.new("RGB", (size, size), color).save(file, "PNG")
        return file.getvalue()

    items = [Item(name, "", "prompts", {}) for name in ("7", "8")]
    colors = [(index, 0, 0) for index in range(4)]
    samples = [Exported(items[0], index, picture(color), Score(1.0)) for index, color in enumerate(colors)]
    (tmp_path / "out").mkdir()
    DPGBench.export([*samples, Exported(items[1], 0, picture(RED), Score(1.0))], tmp_path / "out", {})
    (file,) = (tmp_path / "out").iterdir()
    grid = Image.open(file)
    cells = [(0, 0), (8, 0), (0, 8), (8, 8)]
    assert (file.name, [grid.getpixel(cell) for cell in cells]) == ("7.png", colors)
    odd = [*samples[:3], Exported(items[0], 3, picture(RED, 9), Score(1.0))]
    with pytest.raises(ConfigError, match="prompt '7' have different sizes"):
        DPGBench.export(odd, tmp_path / "out", {})
