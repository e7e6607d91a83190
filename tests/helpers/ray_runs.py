"""Runs of ``python -m evalharness.sweep`` on Ray, what their stores hold, and clusters of nodes on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from waiting import until

from evalharness.execution import heartbeat

T = TypeVar("T")
CAN_PART = os.geteuid() == 0 and all(map(shutil.which, ("unshare", "nsenter", "ip")))
"""Whether there can be network namespaces here."""


class Cluster:
    """A head and other nodes. ``raylets``: address of each other node → its process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log
        nodes = json.loads(self._answer(180, "a cluster that has started"))
        self.address: str = nodes["address"]
        self.raylets: dict[str, int] = nodes["raylets"]

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command begins with that is to run in the cluster's network."""
        return ("nsenter", f"--net=/proc/{self._process.pid}/ns/net")

    def tell(self, order: str) -> None:
        """``kill`` a node, by its address; ``cut`` the link to the one that is apart, ``join`` it again."""
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        assert self._answer(60, order) == "ok\n"

    def _answer(self, seconds: float, what: str) -> str:
        assert self._process.stdout is not None
        watch = threading.Timer(seconds, os.killpg, (self._process.pid, signal.SIGKILL))
        watch.start()
        line = self._process.stdout.readline()
        watch.cancel()
        if not line:
            pytest.fail(f"waited {seconds:g} s at most for {what}: {self._log.read_text()[-2000:]}")
        return line


@contextlib.contextmanager
def cluster(nodes: int, env: Mapping[str, str], log: Path, *, cpus: int = 1, apart: bool = False) -> Iterator[Cluster]:
    """``apart``: it has a network of its own, and one other node, on another host of that.

    On addresses of this machine alone; not 127.0.0.1, which Ray would replace by that of a network.
    """
    script = Path(__file__).with_name("ray_nodes.py")
    prefix = ["unshare", "--net"] if apart else []
    command = [*prefix, sys.executable, str(script), str(nodes), str(cpus), "apart" if apart else "together"]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        yield Cluster(process, log)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def descendants(pid: int) -> list[int]:
    """A process and those that it started, and those that these did."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _, _, rest = path.read_text().rpartition(") ")
            children.setdefault(int(rest.split()[1]), []).append(int(path.parent.name))
    processes = [pid]
    for process in processes:
        processes += children.get(process, [])
    return processes


def signal_all(processes: Sequence[int], number: signal.Signals) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def alive(processes: Sequence[int]) -> list[int]:
    """Those that still run; zombies do not."""
    live = []
    for pid in processes:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
            if state != "Z":
                live.append(pid)
    return live


def write(folder: Path, executor: Mapping[str, Any] | str, **changes: Any) -> Path:
    """A sweep file of the plugins in ``crash_plugins``, or with other parts."""
    sweep = {
        "name": "crashes",
        "model": {"name": "crashing"},
        "benchmarks": ["crashing"],
        "arms": [{"name": "single", "variant": "single_pass"}],
        "executor": executor,
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "crashes.yaml"
    file.write_text(json.dumps(sweep | changes))
    return file


@contextlib.contextmanager
def running(file: Path, env: Mapping[str, str], *options: str, inside: Sequence[str] = ()) -> Iterator[RunningSweep]:
    """Start a run, which does not outlive the block."""
    out = file.parent / "r" / "crashes"
    command = [*inside, sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(out), "--quiet", *options]
    with (file.parent / "output").open("w+") as output:
        process = subprocess.Popen(command, env=dict(env), stdout=output, stderr=subprocess.STDOUT)
        try:
            yield RunningSweep(process, out, Path(output.name))
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class RunningSweep:
    process: subprocess.Popen[bytes]
    out: Path
    log: Path

    def until(self, what: str, true: Callable[[], T], seconds: float = 120) -> T:
        """Wait for something that happens while it goes on."""

        def true_while_running() -> T:
            result = true()
            if not result and self.process.poll() is not None:
                pytest.fail(f"the run ended before {what}: {self.log.read_text()[-2000:]}")
            return result

        return until(what, true_while_running, seconds)

    def ends(self, code: int = 0, seconds: float = 300) -> str:
        """Wait for its end; returns its output. It must end with this code."""
        try:
            exit_code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"waited {seconds:g} s for the run to end; it wrote: {self.log.read_text()[-2000:]}")
        output = self.log.read_text()
        assert exit_code == code, output
        return textwrap.dedent(output)

    def drawing(self) -> list[str]:
        """The places of the workers that draw at this moment, as ``status`` would show them."""
        status = heartbeat.read(self.out)
        workers = status.workers if status else []
        return [worker.place for worker in workers if worker.queue.startswith("draw") and worker.state == "busy"]


def run(file: Path, env: Mapping[str, str], *options: str, code: int = 0, seconds: float = 300) -> str:
    """The output of a run, which must end with this code."""
    with running(file, env, *options) as process:
        return process.ends(code, seconds)


def rows(file: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    path = file.parent / "r" / "store" / "store.sqlite"
    if not path.is_file():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return []  # the store is only just being made
        return sorted(db.execute(f"SELECT {columns} FROM {table}"))


def content(file: Path) -> dict[str, Any]:
    """All of a store but for the times that things took."""
    drawn = []
    for key, model, variant, finished, text in rows(file, "trajectories", "key, model, variant, finished, steps"):
        steps = [{name: value for name, value in step.items() if name != "seconds"} for step in json.loads(text)]
        drawn.append((key, model, variant, finished, json.dumps(steps)))
    images = {path.name: path.read_bytes() for path in sorted((file.parent / "r" / "store" / "images").rglob("*.png"))}
    scores = rows(file, "scores", "key, image, value, reason, details")
    return {"drawn": drawn, "images": images, "scores": scores, "failures": rows(file, "failures", "key, reason")}
