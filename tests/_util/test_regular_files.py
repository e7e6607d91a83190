"""Devices, pipes and oversized files in place of the files that users name."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalharness._util.file_digests import file_digest
from evalharness._util.image_files import decode_png, upright_png
from evalharness._util.regular_files import (
    FILE_MB,
    MEGAPIXELS,
    open_regular,
    read_regular,
    read_regular_text,
    require_text,
)
from evalharness.benchmarks.edits import edit_file
from evalharness.benchmarks.geneval import prompt_file
from evalharness.benchmarks.wise import prompt_files
from evalharness.config import sweep_files
from evalharness.errors import ConfigError, EvalHarnessError, SampleError
from evalharness.execution import heartbeat
from evalharness.judges import recorded
from evalharness.store.find_run import find_plan
from evalharness.training_data import reading


@pytest.fixture(params=["device", "pipe", "link to a device"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What is read for ever, or waits for somebody to write."""
    path = tmp_path / "x.yaml"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        return Path("/dev/zero")
    else:
        path.symlink_to("/dev/zero")
    return path


READERS: dict[str, Callable[[Path], Any]] = {
    "sweep file": lambda path: sweep_files.yaml.read(path),
    "GenEval prompts": prompt_file.read_text,
    "WISE prompts": lambda path: prompt_files.of_user(path, []),
    "edits": edit_file.read,
    "text": require_text,
    "replies": recorded.read,
    "weights": file_digest,
    "trajectories": lambda path: list(reading.entries(path)),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_refuses_what_has_no_end_in_one_line(reader: str, endless: Path) -> None:
    with pytest.raises(EvalHarnessError) as caught:
        READERS[reader](endless)
    assert "\n" not in str(caught.value) and str(endless) in str(caught.value)


def test_files_of_a_run_are_regular(tmp_path: Path) -> None:
    for name in ("results.json", "status.json"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(ConfigError):
        find_plan(tmp_path, None)
    with pytest.raises(ConfigError, match=r"status\.json"):
        heartbeat.read(tmp_path)


def test_a_file_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\r\nb" + bytes(999_996))
    monkeypatch.setenv(FILE_MB, "1")
    assert len(read_regular(path)) == 1_000_000
    assert read_regular_text(path).startswith("a\nb")
    with path.open("ab") as file:
        file.write(b"!")
    with pytest.raises(OSError, match=f"larger than 1 MB; {FILE_MB} allows more"):
        read_regular(path)
    monkeypatch.setenv(FILE_MB, "2")
    assert len(read_regular(path)) == 1_000_001
    monkeypatch.setenv(FILE_MB, "lots")
    with pytest.raises(ConfigError, match=f"{FILE_MB} must be a whole number above 0, got 'lots'"):
        read_regular(path)


def test_a_folder_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def test_images_have_a_limited_number_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (1250, 800)).save(buffer, "PNG")
    monkeypatch.setenv(MEGAPIXELS, "1")
    assert upright_png(buffer.getvalue()) and decode_png(buffer.getvalue())
    larger = io.BytesIO()
    Image.new("RGB", (1251, 800)).save(larger, "PNG")
    with pytest.raises(ValueError, match=f"1251 × 800 pixels are more than 1000000; {MEGAPIXELS} allows more"):
        upright_png(larger.getvalue())
    with pytest.raises(SampleError, match="1251 × 800 pixels"):
        decode_png(larger.getvalue())


def test_an_edit_names_no_picture_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    for name in ("../a.png", str(tmp_path / "a.png"), "link.png"):
        file = tmp_path / "in" / "edits.jsonl"
        file.write_text(f'{{"prompt": "make it red", "image": "{name}"}}\n')
        with pytest.raises(ConfigError, match=r"edits\.jsonl:1: the image '.*' is outside the folder of the file"):
            edit_file.read(file)
