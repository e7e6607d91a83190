"""What is written to the terminal, and what happens where that cannot be written to."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mock_sweeps import SINGLE

from evalharness._util import console, text

PROGRAM = f"{sys.executable} -m evalharness.cli.main"


def shell(command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose streams are buffered, as they are for users."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, capture_output=True, env={**inherited, **environment}, check=False
    )


def test_examples() -> None:
    assert doctest.testmod(text).failed == 0


@given(words=st.text())
def test_nothing_that_a_terminal_obeys_is_left(words: str) -> None:
    cleaned = console.clean(words)
    assert len(cleaned) == len(words)
    assert all(c.isprintable() or c in "\n\t" for c in cleaned)
    assert all(a == b for a, b in zip(cleaned, words, strict=True) if b.isprintable())


@pytest.fixture
def unusual(tmp_path: Path) -> Path:
    """A folder with a sweep file whose name no ASCII terminal can show, and which asks for too much."""
    (tmp_path / "größer→.yaml").write_text(SINGLE.replace("limit: 6", "limt: 6"), encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(SINGLE + "executor: {name: local, in_process: true}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_an_encoding_that_lacks_a_character_ends_nothing(unusual: Path, encoding: str) -> None:
    done = shell(f"{PROGRAM} sweep größer→.yaml", unusual, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"evalharness: gr") and done.stderr.count(b"\n") == 1
    assert b"unknown key 'limt'" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_run_survives_streams_that_are_closed_or_full(unusual: Path, streams: str) -> None:
    done = shell(f"{PROGRAM} sweep tiny.yaml --out out/r {streams}", unusual)
    assert done.returncode == 0, done.stderr
    assert (unusual / "out" / "r" / "index.html").is_file()
    # No output of a library went into a file that had got the number of a closed stream.
    again = shell(f"{PROGRAM} status tiny.yaml --store out/store", unusual)
    assert again.returncode == 0, again.stderr


def test_a_full_standard_output_is_one_line(unusual: Path) -> None:
    done = shell(f"{PROGRAM} list >/dev/full", unusual)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"no space left" in done.stderr


def test_prompts_are_the_same_bytes_in_every_encoding(unusual: Path) -> None:
    written = {shell(f"{PROGRAM} prompts wise-mini", unusual, PYTHONIOENCODING=e).stdout for e in ("ascii", "utf-8")}
    assert len(written) == 1 and len(written.pop()) > 1000
