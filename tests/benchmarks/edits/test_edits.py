"""Edits of one's own: their file, what a judge is told and says, and a whole run with the variant ``edit``."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from plugin_packages import InstallPlugins

from evalharness._util.exit_codes import ExitCode
from evalharness._util.prompt_images import show
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.api.model import Drawn, ImageEditor, ImageModel
from evalharness.benchmarks.edits import edit_file
from evalharness.benchmarks.edits.rubric import EditRubric, read_reply
from evalharness.cli import sweep
from evalharness.config import sweep_files
from evalharness.errors import ConfigError, SampleError
from evalharness.judges.data_url import decode_image
from evalharness.planning.planner import make_plan
from evalharness.types.item import Item
from evalharness.types.reply import Reply

EDITS = [
    {"prompt": "make it brighter", "image": "a.png", "id": "bright", "category": "light"},
    {"prompt": "make it brighter", "image": "b.png", "category": "light"},
    {"prompt": "turn it", "image": "a.png", "category": "shape"},
]
SWEEP = """\
name: retouching
model: brush
benchmarks:
  - {name: edits, prompts: edits.jsonl, judge: eye}
arms:
  - {name: edit, variant: edit}
  - {name: anew, variant: single_pass}
"""


class Brush(ImageEditor):
    """Edits to the picture's colour turned by the seed's; draws black."""

    name = "brush"
    batch_size = 2

    def __init__(self, settings: Any) -> None: ...

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def check(self, prompt: str) -> None: ...

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        return [Drawn(Image.new("RGB", (4, 4)), 1) for _ in prompts]

    def edit(self, images: Sequence[Image.Image], instructions: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        turned = [Image.eval(image, lambda value: value + 50) for image in images]
        pairs = zip(images, turned, instructions, strict=True)
        return [Drawn(bright if "bright" in text else image, 1) for image, bright, text in pairs]


class Painter(ImageModel):
    name = "painter"
    batch_size = 2

    def __init__(self, settings: Any) -> None: ...

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        return [Drawn(Image.new("RGB", (4, 4)), 1) for _ in prompts]


class Eye(Judge):
    """Sees whether the second picture is brighter than the first."""

    name = "eye"

    def __init__(self, settings: Any) -> None: ...

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        for number, prompt in prompts:
            parts = prompt.messages[1]["content"]
            before, after = (decode_image(part["image_url"]["url"]) for part in parts if part["type"] == "image_url")
            brighter = after.getpixel((0, 0)) > before.getpixel((0, 0))  # type: ignore[operator]
            yield number, Reply(f"Followed: {9 if brighter else 0}\nKept: 4")


@pytest.fixture
def folder(tmp_path: Path, install_plugins: InstallPlugins) -> Path:
    install_plugins(models=[Brush, Painter], judges=[Eye])
    Image.new("RGB", (6, 4), (100, 0, 0)).save(tmp_path / "a.png")
    Image.new("RGB", (6, 4), (0, 100, 0)).save(tmp_path / "b.png")
    write(tmp_path, EDITS)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    return tmp_path


def write(folder: Path, lines: Sequence[Mapping[str, Any]]) -> Path:
    path = folder / "edits.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


# --- the file ---


def test_items(folder: Path) -> None:
    items = edit_file.read(folder / "edits.jsonl")
    assert [(item.id, item.category) for item in items] == [("bright", "light"), ("00002", "light"), ("00003", "shape")]
    assert items[0].picture is not None
    assert show(items[0].picture).getpixel((0, 0)) == (100, 0, 0)
    assert items[0].metadata["image"] == items[2].metadata["image"] != items[1].metadata["image"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", r"edits.jsonl:2: invalid JSON"),
        ('{"prompt": "x", "image": "none.png"}', r"edits.jsonl:2: cannot read .*none.png: No such file"),
        ('{"prompt": " ", "image": "a.png"}', r"edits.jsonl:2: prompt: "),
        ('{"image": "a.png"}', r"edits.jsonl:2: key 'prompt' is missing"),
        ('{"prompt": "x", "picture": "a.png", "image": "a.png"}', r"unknown key 'picture'; "),
        ('{"prompt": "x", "image": "a.png", "id": "bright"}', r"the id 'bright' stands twice"),
    ],
)
def test_a_line_at_fault_is_named(folder: Path, line: str, message: str) -> None:
    (folder / "edits.jsonl").write_text(json.dumps(EDITS[0]) + "\n" + line + "\n")
    with pytest.raises(ConfigError, match=message):
        edit_file.read(folder / "edits.jsonl")


def test_transparent_pictures_are_counted(folder: Path) -> None:
    def notes() -> str:
        (benchmark,) = make_plan(sweep_files.load(folder / "sweep.yaml")).benchmarks.values()
        return " ".join(benchmark.benchmark.notes())

    assert "transparent" not in notes()
    Image.new("RGBA", (6, 4), (100, 0, 0, 0)).save(folder / "a.png")
    assert "1 of 2 pictures are transparent" in notes()


def test_a_file_without_edits(folder: Path) -> None:
    with pytest.raises(ConfigError, match="has no edits; a line is"):
        edit_file.read(write(folder, []))
    with pytest.raises(ConfigError, match="cannot read"):
        edit_file.read(folder / "none.jsonl")


# --- the judge ---


@given(st.integers(0, 10), st.integers(0, 10))
def test_a_reply(followed: int, kept: int) -> None:
    score = read_reply(f"Well.\n**Followed:** {followed}\n- Kept: {kept}.\n")
    assert score is not None
    assert math.isclose(score.value, math.sqrt(followed * kept) / 10)


@pytest.mark.parametrize(
    "text",
    ["", "Followed: 3", "Followed: 11\nKept: 4", "Followed: 3\nKept: 4\nKept: 5", "Followed: 3/10\nKept: 4", "3\n4"],
)
def test_a_reply_without_a_score(text: str) -> None:
    assert read_reply(text) is None


@given(st.text())
def test_any_reply_is_a_score_or_none(text: str) -> None:
    score = read_reply(text)
    assert score is None or 0 <= score.value <= 1


def test_the_judge_sees_both_pictures(folder: Path) -> None:
    item = edit_file.read(folder / "edits.jsonl")[1]
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), (7, 8, 9)).save(buffer, "PNG")
    rubric = EditRubric()
    messages = rubric.messages(item, base64.b64encode(buffer.getvalue()).decode())
    urls = [part["image_url"]["url"] for part in messages[1]["content"] if part["type"] == "image_url"]
    assert [decode_image(url).getpixel((0, 0)) for url in urls] == [(0, 100, 0), (7, 8, 9)]
    assert item.prompt in messages[1]["content"][0]["text"]
    assert rubric.digest() == EditRubric().digest()


# --- a run ---


def run(folder: Path) -> dict[str, float]:
    assert sweep.main([str(folder / "sweep.yaml"), "--out", str(folder / "report"), "--quiet"]) == 0
    results: dict[str, Any] = json.loads((folder / "report" / "results.json").read_text())
    return {row["arm"]: row["overall"] for row in results["summary"]["edits"]}


def test_a_run(folder: Path) -> None:
    """Each category counts the same: of light both are brighter, of shape none; black is brighter than nothing."""
    assert run(folder) == {"edit": pytest.approx(0.3), "anew": 0.0}


def test_the_picture_is_part_of_the_trajectory_s_key(folder: Path) -> None:
    def keys() -> list[str]:
        plan = make_plan(sweep_files.load(folder / "sweep.yaml"))
        return [sample.job for sample in plan.samples if sample.arm.name == "edit"]

    before = keys()
    assert len(set(before)) == 3
    Image.new("RGB", (6, 4), (0, 0, 100)).save(folder / "b.png")
    after = keys()
    assert [earlier == later for earlier, later in zip(before, after, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: brush", "model: painter", "arm 'edit': variant 'edit' needs a model that changes images; 'painter'"),
        (
            "{name: edits, prompts: edits.jsonl, judge: eye}",
            "geneval",
            "arm 'edit': variant 'edit' changes a picture, and the items of benchmark 'geneval' have none",
        ),
    ],
)
def test_what_cannot_edit_is_refused_before_anything_runs(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "sweep.yaml").write_text(SWEEP.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        make_plan(sweep_files.load(folder / "sweep.yaml"))


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no image")])
def test_a_picture_that_is_gone_or_changed(folder: Path, spoil: Callable[[Path], Any]) -> None:
    item: Item = edit_file.read(folder / "edits.jsonl")[1]
    assert item.picture is not None
    spoil(item.picture.path)
    with pytest.raises(SampleError, match=r"(unreadable|changed) image: b\.png"):
        show(item.picture)


def test_a_file_that_is_no_image_fails_its_sample_alone(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"no image")
    command = [str(folder / "sweep.yaml"), "--out", str(folder / "report"), "--quiet", "--only", "edit"]
    assert sweep.main(command) == ExitCode.INCOMPLETE
    results = json.loads((folder / "report" / "results.json").read_text())
    (row,) = results["summary"]["edits"]
    assert (row["scored"], row["expected"]) == (2, 3)
