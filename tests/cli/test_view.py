"""``evalharness view`` as a process: beside a run that goes on, told to stop, and where it cannot begin."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mock_sweeps import IN_PROCESS, REFUSING, SWEEP
from viewing import Viewing
from waiting import until

import evalharness as eh
from evalharness.cli import main
from evalharness.execution import heartbeat

SLOW = REFUSING.replace("seconds: 0", "seconds: 0.5").replace("samples: 1", "samples: 2")


@contextlib.contextmanager
def viewed(*words: str) -> Iterator[tuple[subprocess.Popen[str], Viewing]]:
    command = [sys.executable, "-m", "evalharness.cli.main", "view", *words, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"tiny at http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends this, not the run\)\n", line)
        assert found is not None, line + (process.communicate()[1] if process.poll() is not None else "")
        yield process, Viewing(int(found[1]))
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_run_is_seen_while_it_goes_on_and_when_it_is_done(tmp_path: Path) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "r" / "tiny"
    file.write_text(SLOW + IN_PROCESS)
    command = [sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(out), "--quiet"]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(run.kill)  # nobody waits for a process that is stopped
        until(
            "some is drawn, beside four that are refused at once",
            lambda: (status := heartbeat.read(out)) and status.stages and status.stages["draw"].done > 4,
        )
        run.send_signal(signal.SIGSTOP)  # so that it does not end before it was looked at
        with viewed(str(out)) as (_, server):
            state = until("a picture is shown", lambda: seen if (seen := server.state())["pictures"] else None)
            assert state["running"] is True and state["report"] is False and state["problem"] == ""
            assert state["state"].startswith("Running for ")
            assert [stage["name"] for stage in state["stages"]] == ["draw", "score"]
            assert all(row["provisional"] for row in state["benchmarks"][0]["rows"])
            assert server.ask(f"/images/{state['pictures'][0]['image']}.png")[0].status == 200
            assert server.ask("/report/index.html")[0].status == 404
            run.send_signal(signal.SIGCONT)
            until("it is done", lambda: server.state()["report"])
            done = server.state()
            assert (done["running"], done["stages"], done["problem"]) == (False, [], "")
            assert done["state"] == "The run is done."
            assert done["counts"] == "24 of 32 samples scored, 8 failed."
            assert server.ask("/report/index.html")[0].status == 200
        run.wait(60)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_ends_when_it_is_told_to(tmp_path: Path, number: signal.Signals, code: int) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "r" / "tiny"
    file.write_text(SWEEP)
    eh.run(file, out=out, quiet=True).close()
    with viewed(str(out)) as (process, server):
        assert server.state()["counts"] == "24 of 24 samples scored."
        process.send_signal(number)
        assert process.wait(60) == code
        assert process.stderr is not None and process.stderr.read() == ""


def test_it_says_in_one_line_why_it_cannot_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "r" / "tiny"
    file.write_text(SWEEP)
    eh.run(file, out=out, quiet=True).close()
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases = [
            ([str(out), "--port", port], f"cannot listen on 127.0.0.1:{port}: Address already in use"),
            ([str(out), "--host", "no such host"], "cannot listen on no such host:8090: "),
            ([str(tmp_path / "empty")], f"{tmp_path / 'empty'} is not a report"),
            ([str(out.parent / "store")], "is a store, not a report"),
            ([str(tmp_path / "none")], str(tmp_path / "none")),
        ]
        for words, message in cases:
            assert main.main(["view", *words]) == 2
            streams = capsys.readouterr()
            assert message in streams.err
            assert (streams.out, streams.err.count("\n")) == ("", 1)


def test_another_address_than_loopback_is_warned_of(tmp_path: Path) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "r" / "tiny"
    file.write_text(SWEEP)
    eh.run(file, out=out, quiet=True).close()
    command = [sys.executable, "-m", "evalharness.cli.main", "view", str(out), "--port", "0", "--host", "0.0.0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert "http://0.0.0.0:" in process.stdout.readline()
        warning = process.stderr.readline()
        process.kill()
    assert warning.startswith("evalharness: warning: whoever can reach this address sees the run")
