"""Pictures and files as they come, and words of users in every format that is written."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evalharness._util.image_files import decode_png, png_bytes, upright_png
from evalharness._util.json_lines import numbered_lines
from evalharness.benchmarks.edits import edit_file
from evalharness.benchmarks.geneval import prompt_file, prompts
from evalharness.cli import main
from evalharness.errors import ConfigError, SampleError
from evalharness.judges import recorded
from evalharness.models.folder_manifest import read_manifest
from evalharness.report import latex
from evalharness.report.figures.style import Plot, add_legend, label, save
from evalharness.report.table_files import markdown_table, markdown_text, write_csv

COARSE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8))
PICTURE = COARSE.resize((60, 40), Image.Resampling.BICUBIC)

# --- pictures ---


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png: bytes, kind: bytes, data: bytes, *, at_end: bool = False) -> bytes:
    place = len(png) - 12 if at_end else 33  # before IEND, or after the header
    return png[:place] + chunk(kind, data) + png[place:]


LARGE = zlib.compress(bytes(3_000_000))
NOTES = {
    "text": (b"tEXt", b"note\0" + b"x" * 3_000_000),
    "compressed text": (b"zTXt", b"note\0\0" + LARGE),
    "international text": (b"iTXt", b"note\0\1\0\0\0" + LARGE),
    "colour profile": (b"iCCP", b"profile\0\0" + LARGE),
}


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("kind", NOTES)
def test_a_png_with_megabytes_of_notes_is_a_whole_picture(kind: str, *, at_end: bool) -> None:
    data = with_chunk(png_bytes(PICTURE), *NOTES[kind], at_end=at_end)
    upright = upright_png(data)
    assert decode_png(upright).tobytes() == PICTURE.tobytes() == decode_png(data).tobytes()
    assert kind == "text" or len(upright) < 20_000, "only what Pillow refuses is written anew"


def test_a_png_with_a_usual_profile_stays_as_it_is() -> None:
    data = with_chunk(png_bytes(PICTURE), b"tEXt", b"note\0" + b"x" * 5000)
    assert upright_png(data) == data


@pytest.mark.parametrize("kind", NOTES)
def test_a_png_that_is_cut_off_is_no_picture_whatever_its_notes(kind: str) -> None:
    data = with_chunk(png_bytes(PICTURE), *NOTES[kind])
    with pytest.raises(SampleError):
        decode_png(data[:-2000])


def test_the_first_picture_of_a_phone_is_taken() -> None:
    """An MPO file: the photograph, and another picture behind it."""
    buffer = io.BytesIO()
    PICTURE.save(buffer, "MPO", save_all=True, append_images=[PICTURE.resize((10, 10))], quality=95)
    assert Image.open(io.BytesIO(buffer.getvalue())).format == "MPO"
    read = decode_png(upright_png(buffer.getvalue()))
    assert read.size == PICTURE.size
    assert np.abs(np.asarray(read, int) - np.asarray(PICTURE, int)).mean() < 10


# --- files ---

BOM = b"\xef\xbb\xbf"
LINE = json.dumps(prompts.generate()[0])


def read_edits(path: Path) -> int:
    (path.parent / "a.png").write_bytes(png_bytes(PICTURE))
    return len(edit_file.read(path))


REPLY = {
    "question": "q",
    "attempt": 0,
    "judge": {"name": "j"},
    "image": "i",
    "rubric": "r",
    "repeat": 0,
    "reply": {"text": "1"},
}
READERS: dict[str, tuple[str, Callable[[Path], int]]] = {
    "edits": ('{"prompt": "p", "image": "a.png"}', read_edits),
    "GenEval's prompts": (LINE, lambda path: len(prompt_file.parse(prompt_file.read_text(path), "x"))),
    "replies": (json.dumps(REPLY), lambda path: sum(len(judge.lines) for judge in recorded.read(path).values())),
    "a manifest": ('{"file": "a.png", "item": "1"}', lambda path: len(read_manifest(path, path.parent))),
    "detections": (json.dumps({"metadata": json.loads(LINE), "detections": []}), lambda path: scored(path)),
}


def scored(path: Path) -> int:
    assert main.main(["score-detections", "geneval", str(path)]) == 0
    return 1


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_takes_a_byte_order_mark_and_blank_lines(reader: str, tmp_path: Path) -> None:
    line, read = READERS[reader]
    path = tmp_path / "x.jsonl"
    for before, after in ((b"", b""), (BOM, b""), (BOM + b"\r\n \n", b"\n\n"), (b"\n", b"\r\n\t\n")):
        path.write_bytes(before + line.encode() + b"\n" + after)
        assert read(path) == 1


@pytest.mark.parametrize("reader", [name for name in READERS if name != "detections"])
def test_every_reader_names_the_line_with_an_unknown_key(reader: str, tmp_path: Path) -> None:
    line, read = READERS[reader]
    path = tmp_path / "x.jsonl"
    path.write_text(f'\n{line[:-1]}, "typo": 1}}\n')
    with pytest.raises(ConfigError, match=r"(:| line )2\b.*typo"):
        read(path)


def test_lines_are_numbered_as_they_stand() -> None:
    assert list(numbered_lines([BOM + b"a", b"\n", b"b"])) == [(1, b"a"), (3, b"b")]


@pytest.mark.parametrize(
    ("detection", "says"),
    [
        ({"box": [50, 10, 20, 30]}, "with x1 <= x2 and y1 <= y2, got [50.0, 10.0, 20.0, 30.0]"),
        ({"box": [10, 50, 20, 30]}, "the corners [x1, y1, x2, y2] are wanted"),
        ({"score": 91}, "less than or equal to 1"),
        ({"score": -0.1}, "greater than or equal to 0"),
    ],
)
def test_impossible_evidence_is_refused_with_its_line(
    detection: dict[str, object], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A box given as x, y, width and height, and per cents in place of a score."""
    good = {"class": "bench", "box": [0, 0, 9, 9], "score": 0.9}
    lines = [{"metadata": json.loads(LINE), "detections": [{**good, **more}]} for more in ({}, detection)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert main.main(["score-detections", "geneval", str(tmp_path / "x.jsonl")]) == 2
    error = capsys.readouterr().err
    assert "x.jsonl line 2: " in error and says in error


# --- words of users ---

WORDS = [
    "=cmd|' /C calc'!A0",
    "+1",
    "@SUM(A1)",
    "\t=1",
    "-2+3",
    "$x^2$",
    "_x",
    "a|b",
    "[x](javascript:alert(1))",
    "*bold*",
]
WORDS += [
    "<script>",
    "中文",
    "\u202egnirts",
    "\x1b[2J",
    "a`b`c",
    "\\input{x}",
    "%",
    "~~no~~",
    "_no_",
    "{}",
    "&amp;",
    "\x00",
]


@pytest.mark.parametrize("word", WORDS)
def test_a_figure_shows_any_name(word: str, tmp_path: Path) -> None:
    """Nothing is a formula or left out of the legend, and the file is XML."""

    def draw(figure: object) -> None:
        axes = figure.subplots()  # type: ignore[attr-defined]
        axes.plot([1, 2], label=label(word))
        axes.set_yticks([1, 2], [label(word), "other"])
        add_legend(figure, axes)  # type: ignore[arg-type]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(Plot("scores", "t", "c", "a", draw), "b", tmp_path)
    svg = (tmp_path / "b-scores.svg").read_text(encoding="utf-8")
    texts = [
        "".join(element.itertext()).strip()
        for element in ElementTree.fromstring(svg).iter()
        if element.tag.endswith("text")
    ]
    shown = label(word).strip()
    assert texts.count(shown) == 2, texts


def test_no_text_of_a_csv_file_is_a_formula_and_numbers_stay(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"word": WORDS, "number": -1.5}), tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["word"].lstrip("'") for row in rows] == [word.lstrip("'") for word in WORDS]
    assert not any(row["word"].startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows)
    assert {row["number"] for row in rows} == {"-1.5"}


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([*WORDS, "]", "(", "[", "!", "http:", " ", "\n"]) | st.text(max_size=3), max_size=6).map(
        "".join
    )
)
def test_markdown_and_latex_have_a_line_and_nothing_that_is_obeyed(text: str) -> None:
    markdown = markdown_text(text)
    assert "\n" not in markdown and "<" not in markdown and "](" not in markdown
    assert all(character.isprintable() for character in markdown + latex.escape(text))
    row = markdown_table(pd.DataFrame({"a": [text], "b": ["end"]})).splitlines()
    assert len(row) == 3
    unescaped = row[2].replace("\\\\", "").replace("\\|", "")
    assert unescaped.count("|") == 3
    # Without TeX's escapes and its formulas of one symbol, what is left has nothing that TeX obeys.
    left = latex.escape(text).replace(r"\$", "")
    left = re.sub(r"\$(?:-|\\[A-Za-z]+)\$|\\(?:[&%#_{}]|[A-Za-z]+\{\})", "", left)
    assert not set(left) & set("$&%#_{}~^\\")
