"""Processes and devices that are at fault: their samples are made elsewhere, and only what fails there, too, fails."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import faulty_plugins
import pytest
from ray_runs import content, rows, run, write

from evalharness._util.exit_codes import ExitCode

IN_PROCESS = {"name": "local", "in_process": True}
TWO = {"name": "local", "workers": 2}
RAY = {"name": "ray", "cpus": 2}
WITHOUT_RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is missing")
ray_too = pytest.mark.parametrize(
    "executor", [{"name": "local"}, TWO, pytest.param(RAY, marks=[pytest.mark.slow, WITHOUT_RAY])]
)


@pytest.fixture(autouse=True)
def in_this_process() -> None:
    """Here the executor may start children."""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return faulty_plugins.install(tmp_path / "site")


def sweep(folder: Path, executor: Any, items: int = 24, failures: Any = None, **model: Any) -> Path:
    changes = {} if failures is None else {"failures": failures}
    benchmarks = [{"name": "faulty", "items": items}]
    return write(folder, executor, model={"name": "faulty", **model}, benchmarks=benchmarks, **changes)


@ray_too
@pytest.mark.parametrize("message", [faulty_plugins.STICKY, "a state that nobody foresaw"])
def test_a_poisoned_process_is_replaced_and_its_samples_are_made_elsewhere(
    tmp_path: Path, env: dict[str, str], notes: Path, executor: Any, message: str
) -> None:
    file = sweep(tmp_path / "a", executor, items=40, notes=str(notes), poisoned_after=4, message=message, seconds=0.1)
    run(file, env)
    alone = sweep(tmp_path / "alone", IN_PROCESS, items=40)
    run(alone, env)
    assert content(file) == content(alone)
    assert len(list(notes.glob("poisoned-*"))) == 1


@ray_too
def test_a_model_whose_first_samples_all_fail_is_given_up_in_one_line(
    tmp_path: Path, env: dict[str, str], executor: Any
) -> None:
    file = sweep(tmp_path / "a", executor, items=60, fails=["thing"])
    output = run(file, env, code=ExitCode.INCOMPLETE)
    lines = [line for line in output.splitlines() if "stopped to draw faulty: the first" in line]
    assert len(lines) == 1
    assert "all failed: ValueError: the mock fails on 'thing'; mend the cause and run again" in lines[0]
    assert {kind for (kind,) in rows(file, "failures", "kind")} <= {"configuration"}
    mended = sweep(tmp_path / "a", executor, items=60)
    run(mended, env)
    assert (len(rows(file, "scores", "key")), rows(file, "failures", "key")) == (60, [])


def test_in_this_process_alone_a_poisoned_model_stops_and_the_same_command_goes_on(
    tmp_path: Path, env: dict[str, str], notes: Path
) -> None:
    file = sweep(tmp_path / "a", IN_PROCESS, items=60, notes=str(notes), poisoned_after=8)
    output = run(file, env, code=ExitCode.BAD_INPUT)
    assert "10 workers to draw faulty failed or died, one after the other: RuntimeError: CUDA error" in output
    run(file, env)
    assert (len(rows(file, "scores", "key")), rows(file, "failures", "key")) == (60, [])


def test_samples_that_fail_in_a_fresh_process_fail(tmp_path: Path, env: dict[str, str]) -> None:
    file = sweep(tmp_path / "a", TWO, fails=["thing 7", "thing 13"], seconds=0.05)
    run(file, env, code=ExitCode.INCOMPLETE)
    failures = rows(file, "failures", "reason, kind, exception, attempt")
    assert failures == [
        ("ValueError: the mock fails on 'thing 13'", "sample", "ValueError", 2),
        ("ValueError: the mock fails on 'thing 7'", "sample", "ValueError", 2),
    ]
    assert all("worker " in worker and host for worker, host in rows(file, "failures", "worker, host"))
    assert len(rows(file, "scores", "key")) == 22


def test_a_broken_device_is_not_used_any_more(tmp_path: Path, env: dict[str, str], notes: Path) -> None:
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 'GPU 0: Toy (UUID: GPU-a)'; echo 'GPU 1: Toy (UUID: GPU-b)'\n")
    smi.chmod(0o755)
    environment = env | {"PATH": f"{smi.parent}{os.pathsep}{env['PATH']}"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    file = sweep(tmp_path / "a", TWO, items=120, notes=str(notes), broken_device="GPU-a", broken_first=3, seconds=0.1)
    output = run(file, environment)
    assert "warning: GPU GPU-a is not used any more: RuntimeError: CUDA error" in output
    assert (len(rows(file, "scores", "key")), rows(file, "failures", "key")) == (120, [])
    assert {path.name.rsplit("-", 2)[-1] for path in notes.glob("drew-*")} == {"b"}


def test_too_many_failures_stop_a_model(tmp_path: Path, env: dict[str, str]) -> None:
    failing = [f"thing {number}" for number in range(5, 100, 2)]
    file = sweep(tmp_path / "a", IN_PROCESS, items=100, fails=failing, failures={"rate": 0.2}, batch_size=2)
    output = run(file, env, code=ExitCode.INCOMPLETE)
    assert "stopped to draw faulty: " in output
    assert "failed, more than the rate 0.2" in output
    assert len(rows(file, "trajectories", "key")) < 50


@pytest.mark.slow
@WITHOUT_RAY
def test_loading_is_not_counted_as_work(tmp_path: Path, env: dict[str, str]) -> None:
    file = sweep(tmp_path / "a", {**RAY, "timeout": 4}, items=8, loading=8.0)
    run(file, env)
    assert (len(rows(file, "scores", "key")), rows(file, "failures", "key")) == (8, [])
