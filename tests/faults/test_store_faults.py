"""What becomes of a run when its store is torn, locked or read-only, or the clock is set back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mock_sweeps import SINGLE, draw_and_score, reported, states

from evalharness._util.exit_codes import ExitCode
from evalharness.cli.sweep import main
from evalharness.store.store import Store
from evalharness.testing import MockModel, MockScorer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SINGLE)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of the report; the store is beside it."""
    return tmp_path / "r" / "x"


@pytest.fixture
def sweep(file: Path, out: Path) -> Callable[..., int]:
    """The command ``sweep`` on the file; takes its options."""
    return lambda *options: main([str(file), "--out", str(out), *options])


def test_a_write_ahead_log_that_is_cut_off_loses_its_end_and_invents_nothing(
    tmp_path: Path, file: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a power cut on a disk that lied about what it had written: the log at every length of a page."""
    store, saved = tmp_path / "r" / "store", tmp_path / "saved"
    draw_and_score(file, out, limit=2)
    with closing(sqlite3.connect(store / "store.sqlite")) as reader:  # keeps the log from being put into the database
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM scores").fetchall()
        uninterrupted = draw_and_score(file, out)
        shutil.copytree(store, saved, ignore=shutil.ignore_patterns("*-shm"))
    size = (saved / "store.sqlite-wal").stat().st_size
    assert size > 4 * 4096
    kept = []
    for length in range(0, size + 1, 1000):
        shutil.rmtree(store)
        shutil.copytree(saved, store)
        os.truncate(store / "store.sqlite-wal", length)
        with Store(store, write=False) as opened:
            kept.append(len(standing(opened)))
        assert draw_and_score(file, out) == uninterrupted, f"cut at {length}"
    assert kept == sorted(kept) and kept[0] < kept[-1], "the more is left of the log, the more is kept"
    assert "damaged" not in capsys.readouterr().err


def standing(store: Store) -> list[tuple[str]]:
    return store.database.connection.execute("SELECT key FROM trajectories").fetchall()


def test_a_database_that_another_program_holds_is_one_clear_line(
    file: Path,
    out: Path,
    sweep: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw_and_score(file, out)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, **{"timeout": 0.1, **more}))
    with connect(out.parent / "store" / "store.sqlite") as other:
        other.execute("BEGIN EXCLUSIVE")
        capsys.readouterr()
        assert sweep("--full") == 2
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert line.startswith("evalharness: ") and line.endswith("database is locked")
        other.rollback()
    other.close()
    assert states(draw_and_score(file, out, full=True)) == {"scored"}


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that takes nothing."""
    disk = tmp_path / "r"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_read_only_disk_is_one_clear_line_and_may_be_read(
    read_only: Path, out: Path, sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep() == 0
    before, drawn = reported(out), list(MockModel.drawn)
    subprocess.run(["mount", "-o", "remount,ro", read_only], check=True)
    capsys.readouterr()
    assert sweep("--full") == 2
    assert "Read-only file system" in capsys.readouterr().err
    assert sweep("--dry-run") == 0
    assert "trajectories to draw: 0 " in capsys.readouterr().out
    subprocess.run(["mount", "-o", "remount,rw", read_only], check=True)
    assert reported(out) == before and MockModel.drawn == drawn


@pytest.mark.parametrize("year", [1990, 2090])
def test_a_clock_that_is_set_back_or_forth_changes_nothing(
    tmp_path: Path, file: Path, out: Path, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    """By the files' times, which are all that a run knows of clocks beside its own log."""
    before = draw_and_score(file, out), list(MockModel.drawn), list(MockScorer.scored)
    other = (year - 1970) * 365.25 * 86400
    for path in (tmp_path / "r" / "store").rglob("*"):
        os.utime(path, (other, other))
    monkeypatch.setattr("time.time", lambda: other)
    assert (draw_and_score(file, out), MockModel.drawn, MockScorer.scored) == before


HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "terminal": "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "nul": "before\0after",
    "direction": "\u202egnp.exe",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_kept_as_text_and_never_obeyed_by_a_terminal(
    sweep: Callable[..., int],
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """As why a sample failed: what a model or a judge says reaches the terminal there."""
    text = HOSTILE[kind]

    def broken(self: MockModel, prompts: list[str], seeds: list[int]) -> None:
        raise ValueError(text)

    monkeypatch.setattr(MockModel, "paint", broken)
    assert sweep() == ExitCode.INCOMPLETE
    output = capsys.readouterr()
    assert "samples failed" in output.out
    for text in (output.out, output.err):
        assert all(character.isprintable() or character == "\n" for character in text)
    assert states(reported(out)) == {"failed"}


def test_ten_megabytes_of_text_are_one_short_line(
    out: Path, sweep: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: MockModel, prompts: list[str], seeds: list[int]) -> None:
        raise ValueError("word " * 2_000_000)

    monkeypatch.setattr(MockModel, "paint", broken)
    assert sweep() == ExitCode.INCOMPLETE
    assert len(capsys.readouterr().out) < 3000
    assert (out.parent / "store" / "store.sqlite").stat().st_size < 200_000
