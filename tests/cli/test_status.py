"""``evalharness status`` while a run goes on, after it was killed, and once it is done; and how a run is read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mock_sweeps import IN_PROCESS, REFUSING
from waiting import until

from evalharness._util.exit_codes import ExitCode
from evalharness.cli import main
from evalharness.errors import ConfigError
from evalharness.execution import heartbeat


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(REFUSING)
    return tmp_path / "r" / "tiny"


def start(out: Path, seconds: float) -> subprocess.Popen[bytes]:
    """The sweep in a process of its own, that takes so long for each batch."""
    file = out.parents[1] / "tiny.yaml"
    file.write_text(REFUSING.replace("seconds: 0", f"seconds: {seconds}") + IN_PROCESS)
    command = [sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(out), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def shown(capsys: pytest.CaptureFixture[str], out: Path) -> list[str]:
    capsys.readouterr()
    assert main.main(["status", str(out)]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_a_run_is_seen_from_elsewhere_as_it_goes_on_is_killed_and_ends(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start(out, seconds=1.2)
    try:
        until("more than two are drawn", lambda: drawn(out) > 2)  # two are refused before anything is drawn
        lines = shown(capsys, out)
        assert lines[0].startswith(f"tiny, seed 3: running on {os.uname().nodename} (pid {process.pid}) since ")
        assert "/16 of this go, 2 failed" in lines[1] and lines[1].startswith("  draw ")
        assert "1 of 1 workers busy" in lines[3]
        assert lines[4].startswith("    draw mock on this process: busy, ")
        assert lines[5].split() == ["scored", "/", "expected", "even", "odd", "all"]
        assert "in flight" in "".join(lines[6:])
    finally:
        process.kill()
        process.wait()
    lines = shown(capsys, out)
    assert lines[0].startswith("tiny, seed 3: killed, last seen ")
    assert lines[0].endswith("; run the same command again to continue")
    assert "in flight" not in "".join(lines), "nothing is, once its process is gone"
    assert start(out, seconds=0).wait(60) == ExitCode.INCOMPLETE
    lines = shown(capsys, out)
    assert lines[0].startswith("tiny, seed 3: done, last seen ")
    failed = "3/4 (1 failed)"  # one prompt of each tag: refused by the model, refused by the scorer
    arms = [line for line in lines if line.split("  ")[0] in ("single", "process")]
    assert len(arms) == 2
    for line in arms:
        assert [cell.strip() for cell in line.split("  ") if cell.strip()][1:] == [failed, failed, "6/8 (2 failed)"]
    assert "2 × sample: nothing to score" in lines, "failures by their cause"


def drawn(out: Path) -> int:
    status = heartbeat.read(out)
    return status.stages["draw"].done if status is not None and status.stages else 0


def test_a_sweep_that_nobody_has_run(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = out.parent / "store"
    assert main.main(["status", str(out.parents[1] / "tiny.yaml"), "--store", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny, seed 3: no run has been here"
    assert lines[-1].split() == ["process", "0/4", "0/4", "0/8"]
    assert not store.exists(), "who looks writes nothing"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stages": 1}', "\0"])
def test_a_damaged_file_is_one_line(out: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out.mkdir(parents=True)
    (out / heartbeat.NAME).write_text(text)
    with pytest.raises(ConfigError, match="run the sweep again, or delete it"):
        heartbeat.read(out)
    assert main.main(["status", str(out)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
