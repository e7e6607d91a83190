"""The same bytes wherever the work is done, and what becomes of work whose worker dies."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray_runs
from ray_runs import content, run, write
from waiting import until

from evalharness.benchmarks.geneval import prompts
from evalharness.errors import EvalHarnessError
from evalharness.execution.executors.ray import startup
from evalharness.execution.executors.ray.settings import RaySettings

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
PROMPTS = [json.loads(line)["prompt"] for line in prompts.to_jsonl(prompts.generate()).splitlines()[:240:20]]
MINIATURE: dict[str, Any] = {
    "model": {"name": "miniature", "batch_size": 4},
    "benchmarks": [{"name": "crashing", "items": len(PROMPTS), "special": PROMPTS}],
    "arms": [
        {"name": "single", "variant": "single_pass"},
        {"name": "thinking", "variant": "text_cot"},
        {"name": "process", "variant": "process", "max_iterations": "1..3"},
    ],
}


def drawn(notes: Path) -> list[str]:
    """The prompts that were drawn to the end, by any process."""
    return [line for path in notes.glob("drawn-*") for line in path.read_text().splitlines()]


def listening() -> set[str]:
    """Sockets of this machine that wait for calls from others, as Linux lists them."""
    sockets = set()
    for path, loopback in (("/proc/net/tcp", "0100007F"), ("/proc/net/tcp6", "0" * 24 + "01000000")):
        for line in Path(path).read_text().splitlines()[1:] if Path(path).exists() else ():
            _, local, _, state = line.split()[:4]
            if state == "0A" and local.partition(":")[0] not in (loopback, "0" * 16 + "FFFF00000100007F"):
                sockets.add(local)
    return sockets


def count(file: Path, table: str = "trajectories") -> int:
    return len(ray_runs.rows(file, table, "key"))


def reported(file: Path) -> set[str]:
    """The prompts whose trajectory is in the store."""
    return {prompt for (prompt,) in ray_runs.rows(file, "trajectories", "prompt")}


def elsewhere(running: ray_runs.RunningSweep, cluster: ray_runs.Cluster) -> str:
    """The address of a node, not the head, that draws at this moment."""
    return next((node for place in running.drawing() for node in cluster.raylets if f"({node})" in place), "")


def at_once(running: ray_runs.RunningSweep, workers: int) -> list[str]:
    """The places of the workers that draw, if it is so many."""
    places = running.drawing()
    return places if len(places) == workers else []


def test_a_run_on_ray_is_that_of_one_process(tmp_path: Path, env: dict[str, str]) -> None:
    """But for a sample that kills its workers: it alone fails, with the reason, and nothing waits for it."""
    local = write(tmp_path / "local", "local", benchmarks=[{"name": "crashing", "special": ["plain", "harmless"]}])
    run(local, env)
    file = write(
        tmp_path / "ray",
        {"name": "ray", "cpus": 2, "retries": 1},
        benchmarks=[{"name": "crashing", "special": ["plain", "deadly"]}],
    )
    before = listening()
    open_to_others: set[str] = set()
    with ray_runs.running(file, env) as running:
        while running.process.poll() is None:
            open_to_others |= listening() - before
            time.sleep(0.2)
        running.ends(3)
    assert not open_to_others, "Ray's ports, through which anybody may run programs"
    on_ray, here = content(file), content(local)
    ((_, reason),) = on_ray["failures"]
    assert reason.startswith("2 workers died at it, the last: ")
    for kind in ("drawn", "scores"):
        assert len(on_ray[kind]) == 23
        assert set(on_ray[kind]) < set(here[kind])
    assert on_ray["images"].items() < here["images"].items()


def test_the_environment_of_an_actor_names_its_gpu(tmp_path: Path, env: dict[str, str]) -> None:
    """One of two, as the driver lists them. Scorers have no GPU, and name none."""
    listing = "GPU 0: NVIDIA H200 (UUID: GPU-1)\nGPU 1: NVIDIA L4 (UUID: GPU-2)\n"
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '{listing}'\n")
    program.chmod(0o755)
    env = env | {"PATH": f"{program.parent}:{env['PATH']}", "CUDA_VISIBLE_DEVICES": "1"}
    executor = {"name": "ray", "cpus": 2, "gpus": 1, "score": {"gpus": 0}}
    file = write(tmp_path / "a", executor, benchmarks=[{"name": "crashing", "items": 4}])
    run(file, env)
    texts = dict(ray_runs.rows(file, "environments", "digest, info"))
    for table, named in (("trajectories", True), ("scores", False)):
        hardware = {json.loads(texts[digest])["hardware"] for (digest,) in ray_runs.rows(file, table, "environment")}
        assert [text.endswith(", NVIDIA L4") for text in hardware] == [named]
    assert "NVIDIA L4" in (file.parent / "r" / "crashes" / "results.json").read_text()


def test_images_are_scored_while_others_are_drawn(tmp_path: Path, env: dict[str, str], notes: Path) -> None:
    """One sample is not drawn to its end before another is scored: were that to wait for all, the run would hang."""
    changes = {
        "model": {"name": "crashing", "notes": str(notes), "batch_size": 1},
        "benchmarks": [{"name": "crashing", "special": ["plain", "waits"], "items": 6}],
    }
    file = write(tmp_path / "a", {"name": "ray", "cpus": 2}, **changes)
    with ray_runs.running(file, env) as running:
        running.until("an image is scored", lambda: count(file, "scores"))
        assert "waits" not in reported(file)
        (notes / "go").touch()
        running.ends()
    assert (len(content(file)["drawn"]), len(content(file)["scores"])) == (6, 6)


@pytest.mark.cluster
def test_the_same_bytes_wherever_the_work_is_done(tmp_path: Path, env: dict[str, str]) -> None:
    """In this process, on Ray here, with 1, 2 and 4 workers on a cluster of two nodes, and continued after a kill."""
    env = env | {"OMP_NUM_THREADS": "1"}
    here = write(tmp_path / "local", "local", **MINIATURE)
    run(here, env)
    expected = content(here)
    assert (len(expected["drawn"]), expected["failures"]) == (36, [])
    assert len(expected["scores"]) >= 36, "a score for each image that an arm ends with"
    file = write(tmp_path / "ray", {"name": "ray", "cpus": 3}, **MINIATURE)
    run(file, env)
    assert content(file) == expected, "on Ray here"
    with ray_runs.cluster(2, env, tmp_path / "log", cpus=3) as cluster:
        executor = {"name": "ray", "address": cluster.address}
        for workers in (1, 2, 4):
            file = write(tmp_path / str(workers), executor | {"draw": {"workers": workers}}, **MINIATURE)
            with ray_runs.running(file, env) as running:
                places = running.until(f"{workers} workers draw at once", partial(at_once, running, workers))
                running.ends()
            if workers == 4:
                assert len({*places}) == 2, "on both nodes"
            assert content(file) == expected, f"{workers} workers"
        file = write(tmp_path / "killed", executor, **MINIATURE)
        with ray_runs.running(file, env) as running:
            running.until("something is drawn", lambda: count(file))
        before = count(file)
        assert before < 36, "it was killed in the middle"
        run(file, env)
        assert content(file) == expected, f"killed with {before} drawn"


@pytest.mark.cluster
class TestDeaths:
    def test_a_worker_that_dies_once_costs_nothing(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        special = [f"once {number}" for number in range(3)]
        changes = {
            "model": {"name": "crashing", "notes": str(notes)},
            "benchmarks": [{"name": "crashing", "special": special}],
        }
        file = write(tmp_path / "a", {"name": "ray", "cpus": 2}, **changes)
        run(file, env)
        stored = content(file)
        assert (len(stored["drawn"]), len(stored["scores"]), stored["failures"]) == (24, 24, [])
        assert sorted(path.name for path in notes.glob("first-*")) == [f"first-{prompt}" for prompt in special]

    def test_a_worker_that_hangs_is_ended(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        changes = {
            "model": {"name": "crashing", "notes": str(notes), "batch_size": 1},
            "benchmarks": [{"name": "crashing", "special": ["hangs"], "items": 6}],
        }
        file = write(tmp_path / "a", {"name": "ray", "cpus": 2, "timeout": 20, "loading": 0}, **changes)
        with ray_runs.running(file, env) as running:
            running.until("a worker hangs", (notes / "first-hangs").exists)
            hung = time.monotonic()
            running.ends()
        assert time.monotonic() - hung >= 20, "it was given its time"
        assert (len(content(file)["scores"]), content(file)["failures"]) == (6, [])
        assert sorted(Counter(drawn(notes)).values()) == [1] * 6, "only what hung was begun again"

    def test_a_node_that_is_killed(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        with ray_runs.cluster(3, env, tmp_path / "log") as cluster:
            file = write(tmp_path / "a", {"name": "ray", "address": cluster.address}, **self.long_run(notes))
            with ray_runs.running(file, env) as running:
                running.until("the first sample is drawn", lambda: reported(file))
                node = running.until("a node draws that is not the head", lambda: elsewhere(running, cluster))
                before = reported(file)
                cluster.tell(f"kill {node}")
                running.ends()
        self.is_whole(file, notes, before)

    def test_a_node_that_stands_still_for_a_minute(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        """All of its processes; the others see of it what they see of a node whose network is gone."""
        with ray_runs.cluster(3, env, tmp_path / "log") as cluster:
            file = write(tmp_path / "a", {"name": "ray", "address": cluster.address}, **self.long_run(notes))
            with ray_runs.running(file, env) as running:
                running.until("the first sample is drawn", lambda: reported(file))
                node = running.until("a node draws that is not the head", lambda: elsewhere(running, cluster))
                before, stopped = reported(file), ray_runs.descendants(cluster.raylets[node])
                assert len(stopped) > 1, "the node's workers are among them"
                try:
                    ray_runs.signal_all(stopped, signal.SIGSTOP)
                    time.sleep(60)
                    meanwhile = reported(file)
                finally:
                    ray_runs.signal_all(stopped, signal.SIGCONT)
                running.ends()
        assert len(meanwhile) > len(before), "the others go on meanwhile"
        self.is_whole(file, notes, before)

    @pytest.mark.skipif(not ray_runs.CAN_PART, reason="needs root, and Linux with unshare, nsenter and ip")
    def test_a_node_whose_network_is_gone_for_a_minute(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        """Two network namespaces, of which the second has the node, and the link between them cut."""
        with ray_runs.cluster(2, env, tmp_path / "log", apart=True) as cluster:
            executor = {"name": "ray", "address": cluster.address, "draw": {"cpus": 0.5}, "score": {"cpus": 0.5}}
            file = write(tmp_path / "a", executor, **self.long_run(notes))
            with ray_runs.running(file, env, inside=cluster.inside) as running:
                running.until("the first sample is drawn", lambda: reported(file))
                running.until("the other host draws", lambda: any("10.77.0.2" in place for place in running.drawing()))
                before = reported(file)
                cluster.tell("cut")
                time.sleep(60)
                meanwhile = reported(file)
                cluster.tell("join")
                running.ends()
        assert len(meanwhile) > len(before), "the others go on meanwhile"
        self.is_whole(file, notes, before)

    ITEMS, BATCH = 200, 2

    def long_run(self, notes: Path) -> dict[str, Any]:
        return {
            "model": {"name": "crashing", "notes": str(notes), "seconds": 1.0, "batch_size": self.BATCH},
            "benchmarks": [{"name": "crashing", "items": self.ITEMS}],
        }

    def is_whole(self, file: Path, notes: Path, before: set[str]) -> None:
        """All is there though a node went, and what was in the store before was done once."""
        stored = content(file)
        assert (len(stored["drawn"]), len(stored["scores"]), stored["failures"]) == (self.ITEMS, self.ITEMS, [])
        twice = {prompt for prompt, times in Counter(drawn(notes)).items() if times > 1}
        assert not before & twice, "what was reported done was done again"
        assert len(twice) <= 2 * self.BATCH, "more was done again than the node had in hand"

    def test_a_worker_that_takes_too_much_memory(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        """Ray ends it once 3 GB more than now are in use; only its sample fails."""
        lines = Path("/proc/meminfo").read_text().splitlines()
        memory = {line.split()[0]: int(line.split()[1]) for line in lines}
        total, free = memory["MemTotal:"], memory["MemAvailable:"]
        if free < 6_000_000:
            pytest.skip("this machine has too little memory left")
        limit = (total - free + 3_000_000) / total
        changes = {
            "model": {"name": "crashing", "notes": str(notes), "batch_size": 2},
            "benchmarks": [{"name": "crashing", "items": 8, "special": ["plain", "greedy"]}],
        }
        file = write(tmp_path / "a", {"name": "ray", "cpus": 2, "retries": 1}, **changes)
        run(file, env | {"RAY_memory_usage_threshold": f"{limit:.3f}", "RAY_memory_monitor_refresh_ms": "100"}, code=3)
        stored = content(file)
        ((_, reason),) = stored["failures"]
        assert reason == "2 workers died at it, the last: the machine ran out of memory"
        assert (len(stored["drawn"]), len(stored["scores"])) == (7, 7)

    def test_a_killed_driver_is_continued(self, tmp_path: Path, env: dict[str, str], notes: Path) -> None:
        changes = {
            "model": {"name": "crashing", "notes": str(notes), "seconds": 0.1, "batch_size": 2},
            "benchmarks": [{"name": "crashing", "items": 60}],
        }
        file = write(tmp_path / "a", {"name": "ray", "cpus": 2}, **changes)
        with ray_runs.running(file, env) as running:
            running.until("more than ten are drawn", lambda: count(file) > 10)
            of_it = ray_runs.descendants(running.process.pid)
        # Workers and raylet are gone at once; Ray's two agents notice after a minute or two.
        until("its processes end", lambda: not ray_runs.alive(of_it), 240)
        before = reported(file)
        assert len(before) < 60, "it was killed in the middle"
        for path in notes.glob("drawn-*"):
            path.unlink()
        run(file, env)
        assert (len(content(file)["scores"]), content(file)["failures"]) == (60, [])
        assert not before & set(drawn(notes)), "what was reported done was done again"
        assert len(drawn(notes)) == 60 - len(before)


@pytest.mark.cluster
def test_a_node_with_other_weights_is_named_and_draws_nothing(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "here").write_text("1")
    (tmp_path / "there").write_text("2")
    file = write(
        tmp_path / "a",
        {"name": "ray", "cpus": 2, "paths": {str(tmp_path / "here"): str(tmp_path / "there")}},
        model={"name": "crashing", "weights": str(tmp_path / "here")},
    )
    message = run(file, env, code=2)
    expected = r"evalharness: node \S+: model 'crashing': 'weights' of its identity is not what was planned: .*"
    assert re.fullmatch(expected, message.strip())
    assert content(file)["drawn"] == []
    (tmp_path / "there").write_text("1")
    run(file, env)
    assert len(content(file)["scores"]) == 24


@pytest.mark.cluster
def test_a_polite_kill_keeps_what_is_done(tmp_path: Path, env: dict[str, str]) -> None:
    """Ray has a handler of its own for it, which would end the process as a failure."""
    changes = {"model": {"name": "crashing", "seconds": 0.8}, "benchmarks": [{"name": "crashing", "items": 200}]}
    file = write(tmp_path / "a", {"name": "ray", "cpus": 2}, **changes)
    with ray_runs.running(file, env) as running:
        running.until("something is drawn", lambda: count(file))
        running.process.terminate()
        message = running.ends(143, 60)
    first, last = message.splitlines()
    assert first.endswith("in hand to finish; a second signal stops at once")
    assert last == "evalharness: interrupted; what was done is kept, run the same command again to continue"
    assert 0 < count(file) < 200


def test_a_start_of_ray_that_fails_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    started: list[subprocess.Popen[bytes]] = []

    def init(**options: Any) -> None:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        raise Exception("The current node timed out during startup.\nMore lines.")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(EvalHarnessError, match=r"^executor 'ray': Ray does not start here: .* during startup\.$"):
        startup.start(RaySettings())
    assert len(started) == startup.ATTEMPTS
    assert [process.wait(5) for process in started] == [-signal.SIGKILL] * startup.ATTEMPTS


def test_what_is_wrong_is_one_line(tmp_path: Path, env: dict[str, str]) -> None:
    for executor, line in (
        (
            {"name": "ray", "models": {"crashin": {"cpus": 1}}},
            "executor 'ray': models: none is called 'crashin'; did you mean 'crashing'?",
        ),
        ({"name": "ray", "draw": {"gpu": 1}}, "unknown key 'gpu'; did you mean 'gpus'?"),
        ({"name": "ray", "draw": {"gpus": -1}}, "draw.gpus: input should be greater than or equal to 0"),
    ):
        message = run(write(tmp_path, executor), env, "--dry-run", code=2)
        assert message.strip().endswith(line)
