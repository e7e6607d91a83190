"""Files that other programs wrote, or that are damaged: every command answers with one line and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mock_sweeps import SINGLE
from small_world import records

from evalharness._util.foreign_files import foreign
from evalharness.cli import main, sweep
from evalharness.errors import ConfigError
from evalharness.models.folder_index import plain_id
from evalharness.training_data.records import write_shard

STEP = {"kind": "draw", "iteration": 0, "text": "", "image": None}


def rows(folder: Path, **changes: Any) -> list[str]:
    (folder / "rows.jsonl").write_text(json.dumps({"prompt": "a dog", "steps": [STEP], **changes}))
    return ["validate", str(folder / "rows.jsonl")]


def parquet_without_utf8(folder: Path) -> list[str]:
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"prompt": text}), folder / "rows.parquet")
    return ["validate", str(folder / "rows.parquet")]


def data_set(folder: Path, change: Callable[[Path], None]) -> list[str]:
    data = folder / "data"
    data.mkdir()
    write_shard(data / "shard-00000.parquet", [records("full", 3, 2)])
    (data / "card.json").write_text("{}")
    change(data / "shard-00000.parquet")
    return ["export", str(data), "--format", "bagel", "--out", str(folder / "out")]


def truncate(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:-9])


def damage(shard: Path) -> None:
    data = shard.read_bytes()
    shard.write_bytes(data[:200] + bytes(400) + data[600:])


def other_columns(shard: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), shard)


def other_types(shard: Path) -> None:
    table = pq.read_table(shard)
    lists = pa.array(["[]"] * len(table))
    pq.write_table(table.set_column(table.column_names.index("provenance"), "provenance", lists), shard)


def sweep_file(folder: Path, path: str) -> list[str]:
    text = SINGLE.replace("model: mock", f"model: {{name: folder, path: {json.dumps(path)}}}")
    (folder / "x.yaml").write_text(text)
    return ["status", str(folder / "x.yaml")]


def edits(folder: Path) -> list[str]:
    (folder / "edits.jsonl").write_text(json.dumps({"prompt": "make it green", "image": "a\0b"}))
    benchmark = "{name: edits, prompts: edits.jsonl, judge: mock}"
    (folder / "x.yaml").write_text(
        f"name: x\nmodel: mock\nbenchmarks: [{benchmark}]\narms: [{{name: a, variant: single_pass}}]\n"
    )
    return ["status", str(folder / "x.yaml")]


CASES: dict[str, tuple[Callable[[Path], list[str]], int, str]] = {
    "variant": (lambda f: rows(f, variant="process"), 1, "schema: variant is no object"),
    "NUL": (lambda f: rows(f, steps=[{**STEP, "image": "a\0b"}]), 1, "'a\\x00b' is no path of a file"),
    "surrogate": (lambda f: rows(f, steps=[{**STEP, "image": "\ud800"}]), 1, "'\\ud800' is no path of a file"),
    "UTF-8": (parquet_without_utf8, 2, "rows.parquet is not a Parquet file that can be read: 'utf-8' codec"),
    "truncated": (lambda f: data_set(f, truncate), 2, "shard-00000.parquet is not a Parquet file that can be read"),
    "damaged": (lambda f: data_set(f, damage), 2, "shard-00000.parquet is not a Parquet file that can be read"),
    "columns": (lambda f: data_set(f, other_columns), 2, "shard of a data set that can be read: it has no 'kind'"),
    "types": (lambda f: data_set(f, other_types), 2, "shard of a data set that can be read: provenance is no JSON"),
    "path": (lambda f: sweep_file(f, "a\0b"), 2, "x.yaml:3:8: 'a\\x00b' is no path that a file can have"),
    "edits": (edits, 2, "edits.jsonl:1: the image 'a\\x00b' is no path of a file"),
    "home": (lambda f: sweep_file(f, "~nobody-here/a"), 2, "there is no home folder for its ~"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_one_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare, code, message = CASES[case]
    assert main.main(prepare(tmp_path)) == code
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1
    assert message in (err if code == 2 else out)
    assert not (tmp_path / "out").exists()


def test_a_number_of_any_length_is_an_id() -> None:
    assert [plain_id(name) for name in ("0" * 5000 + "12", "9" * 5000, "000")] == ["12", "9" * 5000, "0"]


def test_a_stdin_that_is_closed_is_one_line() -> None:
    program = f"{sys.executable} -m evalharness.cli.main score-detections geneval - <&-"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "evalharness: stdin is closed; give a file in place of -, or pipe detections in\n"


def test_a_folder_whose_name_is_not_utf8_holds_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xffb"))
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "x.yaml").write_text(SINGLE)
    assert sweep.main(["x.yaml"]) == 0
    assert list(folder.glob("reports/*/index.html"))
    assert main.main(["status", "x.yaml"]) == 0
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [KeyError("steps"), ValueError(), NotImplementedError("no\nsuch type"), OSError(5, "x")]
)
def test_whatever_a_reader_raises_names_the_file(error: Exception, tmp_path: Path) -> None:
    expected = r"^/.*x.parquet is not a table that can be read: \S[^\n]*$"
    with pytest.raises(ConfigError, match=expected), foreign(tmp_path / "x.parquet", "a table"):
        raise error


def test_an_error_of_this_program_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^mine$"), foreign(tmp_path, "a table"):
        raise ConfigError("mine")
