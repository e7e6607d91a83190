"""The same bytes wherever the work is done, and what becomes of work whose worker dies."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray_runs
import toy_plugins
from ray_runs import content, run, write

from evalharness.benchmarks.geneval import prompts

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
PROMPTS = [json.loads(line)["prompt"] for line in prompts.to_jsonl(prompts.generate()).splitlines()[:240:20]]
MINIATURE: dict[str, Any] = {
    "model": {"name": "miniature", "batch_size": 4},
    "benchmarks": [{"name": "toy", "items": len(PROMPTS), "special": PROMPTS}],
    "arms": [
        {"name": "single", "variant": "single_pass"},
        {"name": "thinking", "variant": "text_cot"},
        {"name": "process", "variant": "process", "max_iterations": "1..3"},
    ],
}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return toy_plugins.install(tmp_path / "site")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def drawn(notes: Path) -> list[str]:
    """The prompts that were drawn to the end, by any process."""
    return [line for path in notes.glob("drawn-*") for line in path.read_text().splitlines()]


def listening() -> set[str]:
    """Sockets of this machine that wait for calls from others, as Linux lists them."""
    found = set()
    for path, loopback in (("/proc/net/tcp", "0100007F"), ("/proc/net/tcp6", "0" * 24 + "01000000")):
        for line in Path(path).read_text().splitlines()[1:] if Path(path).exists() else ():
            _, local, _, state = line.split()[:4]
            if state == "0A" and local.partition(":")[0] not in (loopback, "0" * 16 + "FFFF00000100007F"):
                found.add(local)
    return found


def until(true: Callable[[], Any], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_a_run_on_ray_is_that_of_one_process(tmp_path: Path, env: dict[str, str]) -> None:
    """But for a sample that kills its workers: it alone fails, with the reason, and nothing waits for it."""
    local = write(tmp_path / "local", "local", benchmarks=[{"name": "toy", "special": ["plain", "harmless"]}])
    run(local, env)
    file = write(
        tmp_path / "ray",
        {"name": "ray", "cpus": 2, "retries": 1},
        benchmarks=[{"name": "toy", "special": ["plain", "deadly"]}],
    )
    process, before = ray_runs.start(file, env), listening()
    open_to_others: set[str] = set()
    while process.poll() is None:
        open_to_others |= listening() - before
        time.sleep(0.2)
    said, complained = process.communicate()
    assert process.returncode == 0, said + complained
    assert not open_to_others, "Ray's ports, through which anybody may run programs"
    on_ray, here = content(file), content(local)
    ((_, reason),) = on_ray["failures"]
    assert reason.startswith("2 workers died at it, the last: ")
    for kind in ("drawn", "scores"):
        assert len(on_ray[kind]) == 23
        assert set(on_ray[kind]) < set(here[kind])
    assert on_ray["images"].items() < here["images"].items()


@pytest.mark.cluster
def test_the_same_bytes_wherever_the_work_is_done(tmp_path: Path, env: dict[str, str]) -> None:
    """In this process, on Ray here, with 1, 2 and 4 workers on a cluster of two nodes, and continued after a kill."""
    env = env | {"OMP_NUM_THREADS": "1"}
    here = write(tmp_path / "local", "local", **MINIATURE)
    run(here, env)
    whole = content(here)
    assert (len(whole["drawn"]), whole["failures"]) == (36, [])
    assert len(whole["scores"]) >= 36, "a score for each image that an arm ends with"
    file = write(tmp_path / "ray", {"name": "ray", "cpus": 3}, **MINIATURE)
    run(file, env)
    assert content(file) == whole, "on Ray here"
    with ray_runs.cluster(2, env, cpus=3) as cluster:
        executor = {"name": "ray", "address": cluster.address}
        for workers in (1, 2, 4):
            file = write(tmp_path / str(workers), executor | {"draw": {"workers": workers}}, **MINIATURE)
            run(file, env)
            assert content(file) == whole, f"{workers} workers"
        file = write(tmp_path / "killed", executor, **MINIATURE)
        process = ray_runs.start(file, env)
        until(lambda: ray_runs.rows(file, "trajectories", "key"))
        process.kill()
        process.wait()
        before = len(ray_runs.rows(file, "trajectories", "key"))
        run(file, env)
        assert content(file) == whole, f"killed with {before} drawn"


@pytest.mark.cluster
class TestDeaths:
    def test_a_worker_that_dies_once_costs_nothing(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        special = [f"once {number}" for number in range(3)]
        changes = {"model": {"name": "toy", "notes": str(notes)}, "benchmarks": [{"name": "toy", "special": special}]}
        file = write(tmp_path / "a", {"name": "ray", "cpus": 2}, **changes)
        run(file, env)
        found = content(file)
        assert (len(found["drawn"]), len(found["scores"]), found["failures"]) == (24, 24, [])
        assert sorted(path.name for path in notes.glob("first-*")) == [f"first-{prompt}" for prompt in special]

    def test_a_worker_that_hangs_is_ended(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        changes = {
            "model": {"name": "toy", "notes": str(notes), "batch_size": 1},
            "benchmarks": [{"name": "toy", "special": ["hangs"], "items": 6}],
        }
        file = write(tmp_path / "a", {"name": "ray", "cpus": 2, "timeout": 20}, **changes)
        run(file, env)
        assert (len(content(file)["scores"]), content(file)["failures"]) == (6, [])

    def test_a_node_that_is_killed(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        changes = {
            "model": {"name": "toy", "notes": str(notes), "seconds": 0.2, "batch_size": 2},
            "benchmarks": [{"name": "toy", "items": 150}],
        }
        with ray_runs.cluster(3, env) as cluster:
            file = write(tmp_path / "a", {"name": "ray", "address": cluster.address}, **changes)
            process = ray_runs.start(file, env)
            until(lambda: len({path.name for path in notes.glob("drawn-*")}) > 1)
            reported = {prompt for (prompt,) in ray_runs.rows(file, "trajectories", "prompt")}
            cluster.tell("kill")
            assert process.wait(400) == 0
        found = content(file)
        assert (len(found["drawn"]), len(found["scores"]), found["failures"]) == (150, 150, [])
        twice = [prompt for prompt, count in Counter(drawn(notes)).items() if count > 1]
        assert not reported & set(twice), "what was reported done was done again"
        assert len(twice) <= 2 * 2, "more was done again than the node had in hand"

    def test_a_node_whose_network_is_gone_for_a_minute(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        """Its raylet stands still: that is what the others see of it, too."""
        changes = {
            "model": {"name": "toy", "notes": str(notes), "seconds": 0.5, "batch_size": 1},
            "benchmarks": [{"name": "toy", "items": 200}],
        }
        with ray_runs.cluster(3, env) as cluster:
            file = write(tmp_path / "a", {"name": "ray", "address": cluster.address}, **changes)
            process = ray_runs.start(file, env)
            until(lambda: len({path.name for path in notes.glob("drawn-*")}) > 1)
            before = len(ray_runs.rows(file, "trajectories", "key"))
            os.kill(cluster.raylets[-1], signal.SIGSTOP)
            time.sleep(60)
            os.kill(cluster.raylets[-1], signal.SIGCONT)
            assert len(ray_runs.rows(file, "trajectories", "key")) > before, "the others go on meanwhile"
            assert process.wait(400) == 0
        found = content(file)
        assert (len(found["drawn"]), len(found["scores"]), found["failures"]) == (200, 200, [])
        assert len(drawn(notes)) <= 200 + 2 * 2, "more was done again than the node had in hand"

    def test_a_worker_that_takes_too_much_memory(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        """Ray ends it once 3 GB more than now are in use; only its sample fails."""
        lines = Path("/proc/meminfo").read_text().splitlines()
        memory = {line.split()[0]: int(line.split()[1]) for line in lines}
        total, free = memory["MemTotal:"], memory["MemAvailable:"]
        if free < 6_000_000:
            pytest.skip("this machine has too little memory left")
        limit = (total - free + 3_000_000) / total
        changes = {
            "model": {"name": "toy", "notes": str(notes), "batch_size": 2},
            "benchmarks": [{"name": "toy", "items": 8, "special": ["plain", "greedy"]}],
        }
        file = write(tmp_path / "a", {"name": "ray", "cpus": 2, "retries": 1}, **changes)
        run(file, env | {"RAY_memory_usage_threshold": f"{limit:.3f}", "RAY_memory_monitor_refresh_ms": "100"})
        found = content(file)
        ((_, reason),) = found["failures"]
        assert reason == "2 workers died at it, the last: the machine ran out of memory"
        assert (len(found["drawn"]), len(found["scores"])) == (7, 7)

    def test_a_killed_driver_is_continued(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        changes = {
            "model": {"name": "toy", "notes": str(notes), "seconds": 0.05, "batch_size": 2},
            "benchmarks": [{"name": "toy", "items": 60}],
        }
        file = write(tmp_path / "a", {"name": "ray", "cpus": 2}, **changes)
        process = ray_runs.start(file, env)
        until(lambda: len(ray_runs.rows(file, "trajectories", "key")) > 10)
        process.kill()
        process.wait()
        until(lambda: not _workers_of(process.pid), 60)
        reported = {prompt for (prompt,) in ray_runs.rows(file, "trajectories", "prompt")}
        for path in notes.glob("drawn-*"):
            path.unlink()
        run(file, env)
        assert (len(content(file)["scores"]), content(file)["failures"]) == (60, [])
        assert not reported & set(drawn(notes)), "what was reported done was done again"
        assert len(drawn(notes)) == 60 - len(reported)


def _workers_of(pid: int) -> list[str]:
    """Processes whose parent's parent was this one: Ray's own end with whoever started them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition(") ")
        except OSError:
            continue
        if rest.split()[1] == str(pid):
            found.append(name)
    return found


def test_what_is_wrong_is_one_line(tmp_path: Path, env: dict[str, str]) -> None:
    for executor, line in (
        (
            {"name": "ray", "models": {"tyo": {"cpus": 1}}},
            "executor 'ray': models: none is called 'tyo'; did you mean 'toy'?",
        ),
        ({"name": "ray", "draw": {"gpu": 1}}, "unknown key 'gpu'; did you mean 'gpus'?"),
        ({"name": "ray", "draw": {"gpus": -1}}, "draw.gpus: input should be greater than or equal to 0"),
    ):
        said = run(write(tmp_path, executor), env, "--dry-run", code=2)
        assert said.strip().endswith(line)
