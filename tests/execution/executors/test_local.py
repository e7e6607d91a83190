"""The executor ``local``: its children make the same bytes as one process, and are replaced when they die."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import ray_runs
from ray_runs import content, run, write
from waiting import until

from evalharness._util import gpus
from evalharness._util.exit_codes import ExitCode
from evalharness.execution.executors import child_pool
from evalharness.execution.executors.child_pool import ChildPool
from evalharness.execution.executors.in_process import InProcess
from evalharness.execution.executors.local import Local

TWO = {"name": "local", "workers": 2}
IN_PROCESS = {"name": "local", "in_process": True}
SLOW = {"model": {"name": "crashing", "seconds": 0.8}, "benchmarks": [{"name": "crashing", "items": 200}]}


@pytest.fixture(autouse=True)
def in_this_process() -> None:
    """Here the executor may start children."""


def drawn_by(notes: Path) -> dict[str, list[str]]:
    """The prompts that each process drew to the end, by the file that it wrote them to."""
    return {path.name: path.read_text().splitlines() for path in notes.glob("drawn-*")}


def children_of(running: ray_runs.RunningSweep) -> list[int]:
    return ray_runs.descendants(running.process.pid)[1:]


def trajectories(file: Path) -> int:
    return len(ray_runs.rows(file, "trajectories", "key"))


def scores(file: Path) -> int:
    return len(ray_runs.rows(file, "scores", "key"))


def test_children_make_what_one_process_makes(tmp_path: Path, env: dict[str, str], notes: Path) -> None:
    """But for a sample that kills its workers: it alone fails, with the reason."""
    alone = write(tmp_path / "alone", IN_PROCESS, benchmarks=[{"name": "crashing", "special": ["plain", "harmless"]}])
    run(alone, env)
    changes = {"model": {"name": "crashing", "notes": str(notes), "seconds": 0.4}}
    file = write(
        tmp_path / "children", TWO, benchmarks=[{"name": "crashing", "special": ["plain", "deadly"]}], **changes
    )
    run(file, env, code=ExitCode.INCOMPLETE)
    children, expected = content(file), content(alone)
    ((_, reason),) = children["failures"]
    assert reason == "3 workers died at it, the last: the worker process was killed by SIGKILL"
    for kind in ("drawn", "scores"):
        assert len(children[kind]) == 23
        assert set(children[kind]) < set(expected[kind])
    assert children["images"].items() < expected["images"].items()


def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path, env: dict[str, str], notes: Path) -> None:
    special = [f"once {number}" for number in range(3)]
    changes = {
        "model": {"name": "crashing", "notes": str(notes)},
        "benchmarks": [{"name": "crashing", "special": special}],
    }
    file = write(tmp_path / "a", TWO, **changes)
    run(file, env)
    stored = content(file)
    assert (len(stored["drawn"]), len(stored["scores"]), stored["failures"]) == (24, 24, [])


def test_images_are_scored_while_others_are_drawn(tmp_path: Path, env: dict[str, str], notes: Path) -> None:
    """One sample is not drawn to its end before another is scored: were that to wait for all, the run would hang."""
    changes = {
        "model": {"name": "crashing", "notes": str(notes), "batch_size": 1},
        "benchmarks": [{"name": "crashing", "special": ["plain", "waits"], "items": 40}],
    }
    file = write(tmp_path / "a", TWO, **changes)
    with ray_runs.running(file, env) as running:
        running.until("an image is scored", lambda: scores(file))
        (notes / "go").touch()
        running.ends()
    assert (trajectories(file), scores(file)) == (40, 40)


def test_two_children_share_the_drawing(tmp_path: Path, env: dict[str, str], notes: Path) -> None:
    changes = {
        "model": {"name": "crashing", "notes": str(notes), "seconds": 0.7, "batch_size": 2},
        "benchmarks": [{"name": "crashing", "items": 60}],
    }
    file = write(tmp_path / "a", TWO, **changes)
    run(file, env)
    assert len(drawn_by(notes)) == 2
    assert set(Counter(prompt for prompts in drawn_by(notes).values() for prompt in prompts).values()) == {1}


def test_a_run_with_nothing_to_do_starts_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(child_pool.children, "start")
    queue: Any = FakeQueue(1000, finished=True)
    executor = Local(Local.Settings(workers=2))
    assert list(executor.run([queue])) == []
    assert executor.workers() == []
    executor.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_kill_keeps_what_is_done_and_ends_the_children(
    tmp_path: Path, env: dict[str, str], number: signal.Signals
) -> None:
    file = write(tmp_path / "a", TWO, **SLOW)
    with ray_runs.running(file, env) as running:
        running.until("more than the first is drawn", lambda: trajectories(file) > 1)
        children = children_of(running)
        assert len(children) == 2
        running.process.send_signal(number)
        message = running.ends(128 + number, 60)
    first, last = message.splitlines()
    assert first.endswith("in hand to finish; a second signal stops at once")
    assert last == "evalharness: interrupted; what was done is kept, run the same command again to continue"
    assert ray_runs.alive(children) == []
    assert 0 < trajectories(file) < 200


def test_children_end_when_their_parent_is_killed(tmp_path: Path, env: dict[str, str]) -> None:
    file = write(tmp_path / "a", TWO, **SLOW)
    with ray_runs.running(file, env) as running:
        running.until("more than the first is drawn", lambda: trajectories(file) > 1)
        children = children_of(running)
        running.process.kill()
        running.process.wait()
        until("the children end", lambda: not ray_runs.alive(children), 20)
    before = trajectories(file)
    assert len(children) == 2
    assert before < 200, "it was killed in the middle"


@pytest.mark.parametrize("kind", ["ConfigError", "PluginError", "WeightsError", "EvalHarnessError"])
def test_an_error_in_a_child_is_that_of_one_process(tmp_path: Path, env: dict[str, str], kind: str) -> None:
    messages: list[str] = []
    for executor in (IN_PROCESS, TWO):
        model = {"name": "crashing", "raises": kind}
        file = write(tmp_path / f"{len(messages)}", executor, model=model)
        messages.append(run(file, env, code=2))
    assert messages[0] == messages[1]
    assert messages[0].strip() == f"evalharness: {kind} raised where it draws"


def test_a_fault_of_a_plugin_outside_of_samples_comes_with_its_traceback(tmp_path: Path, env: dict[str, str]) -> None:
    file = write(tmp_path / "a", TWO, model={"name": "crashing", "raises": "in child"})
    message = run(file, env, code=1)
    assert "TypeError: raised where it is made" in message
    assert "crash_plugins.py" in message


def test_a_child_sees_its_gpu_alone_and_one_thread(tmp_path: Path, env: dict[str, str]) -> None:
    """As on a machine with two GPUs; a child has these settings before it imports anything."""
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 'GPU 0: Toy (UUID: GPU-a)'; echo 'GPU 1: Toy (UUID: GPU-b)'\n")
    smi.chmod(0o755)
    notes = tmp_path / "notes"
    notes.mkdir()
    changes = {
        "model": {"name": "crashing", "notes": str(notes), "seconds": 0.5, "batch_size": 1},
        "benchmarks": [{"name": "crashing", "items": 200}],
    }
    file = write(tmp_path / "a", {"name": "local"}, **changes)
    environment = env | {"PATH": f"{smi.parent}{os.pathsep}{env['PATH']}"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    with ray_runs.running(file, environment) as running:
        running.until("both draw", lambda: len(drawn_by(notes)) == 2)
        places = running.drawing()
    environments = {path.read_text() for path in notes.glob("environment-*")}
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    assert environments == {f"GPU-a {threads}", f"GPU-b {threads}"}
    assert set(places) <= {"worker 1, GPU GPU-a", "worker 2, GPU GPU-b"}


class FakeQueue:
    """Only what the choice of an executor looks at."""

    def __init__(self, load: float, *, finished: bool = False) -> None:
        self.load, self.finished = load, finished


@pytest.mark.parametrize(
    ("settings", "devices", "load", "expected"),
    [
        ({}, 0, 1000, (4, 1)),
        ({}, 0, 1, None),
        ({"in_process": True}, 0, 1000, None),
        ({"workers": 1}, 0, 1000, None),
        ({"workers": 2}, 0, 1, (2, 1)),
        ({"workers": 9}, 0, 1000, (9, 1)),
        ({}, 2, 1000, (2, 2)),
        ({}, 1, 1000, None),
        ({"workers": 9}, 3, 1000, (3, 1)),
    ],
)
def test_how_many_processes_work(
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    devices: int,
    load: float,
    expected: tuple[int, int] | None,
) -> None:
    pools: list[Any] = []

    class Pool(ChildPool):
        def __init__(self, size: int, threads: int, devices: Any = ()) -> None:
            super().__init__(size, threads, devices)
            pools.append((size, threads))

        def run(self, queues: Any) -> Any:
            yield from ()

    monkeypatch.setattr("evalharness.execution.executors.local.ChildPool", Pool)
    monkeypatch.setattr("evalharness.execution.executors.local.processor_count", lambda: 4)
    monkeypatch.setattr(
        "evalharness.execution.executors.local.gpus.visible", lambda: [gpus.Gpu(str(n)) for n in range(devices)]
    )
    monkeypatch.setattr(InProcess, "run", lambda self, queues: iter(()))
    queue: Any = FakeQueue(load)
    assert list(Local(Local.Settings.model_validate(settings)).run([queue])) == []
    assert pools == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [(None, ["GPU-1", "MIG-3"]), ("", []), ("1,0", ["1", "0"]), ("0,-1,1", ["0"]), ("GPU-1", ["GPU-1"])],
)
def test_which_gpus_there_are(monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: list[str]) -> None:
    listing = "GPU 0: H100 (UUID: GPU-1)\nGPU 1: H100 (UUID: GPU-2)\n  MIG 1g.10gb Device 0: (UUID: MIG-3)"
    monkeypatch.setattr(gpus, "installed", lambda: tuple(gpus.parse(listing)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert [gpu.id for gpu in gpus.visible()] == expected
