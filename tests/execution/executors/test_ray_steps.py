"""Steps that actors make are stored while their batch goes on, and outlive the actor, its node and the driver."""

from __future__ import annotations

import importlib.util
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import ray_runs
from growing_model import GrowingModel
from plugin_packages import InstallPlugins
from ray_runs import rows, run, write

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
    pytest.mark.cluster,
]
LOCAL = {"name": "local", "in_process": True}


@pytest.fixture
def env(install_plugins: InstallPlugins, env: dict[str, str]) -> dict[str, str]:
    """The environment of a process that finds the growing model."""
    install_plugins(models=[GrowingModel])
    return env | {"PYTHONPATH": os.environ["PYTHONPATH"]}


def sweep(folder: Path, executor: Any, items: int, **model: Any) -> Path:
    """Batches of two; each drawing takes longer than the pause between two hand-overs."""
    return write(
        folder,
        executor,
        model={"name": "growing", "iterations": 9, "batch_size": 2, **model},
        benchmarks=[{"name": "mock", "limit": items, "samples": 1}],
        arms=[{"name": "process", "variant": "process", "max_iterations": 3}],
    )


def slow(notes: Path) -> dict[str, Any]:
    return {"seconds": 0.8, "notes": str(notes)}


def trajectories(file: Path) -> dict[str, list[dict[str, Any]]]:
    return {key: json.loads(steps) for key, steps in rows(file, "trajectories", "key, steps")}


def content(file: Path) -> dict[str, list[dict[str, Any]]]:
    """All steps without what depends on when they were made."""
    return {
        key: [{name: step[name] for name in ("kind", "iteration", "text", "image", "seed")} for step in steps]
        for key, steps in trajectories(file).items()
    }


def unfinished(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The stored trajectories of batches in hand that have a drawing."""
    caps = dict(rows(file, "trajectories", "key, cap"))
    drawn = {key: steps for key, steps in trajectories(file).items() if any(step["image"] for step in steps)}
    return {key: steps for key, steps in drawn.items() if caps[key] < 3}


def seeds(stored: dict[str, list[dict[str, Any]]]) -> set[int]:
    return {step["seed"] for steps in stored.values() for step in steps if step["image"]}


def drawn(notes: Path) -> Counter[int]:
    """How often each drawing was made, by its seed."""
    return Counter(map(int, (notes / "drawn").read_text().split()))


def is_whole(file: Path, undisturbed: Path, before: dict[str, list[dict[str, Any]]], notes: Path) -> None:
    """The steps are those of a run without a fault; what was stored before it was drawn once, and stayed as it was."""
    assert content(file) == content(undisturbed)
    assert rows(file, "failures", "key") == []
    assert {drawn(notes)[seed] for seed in seeds(before)} == {1}
    for key, steps in before.items():
        assert trajectories(file)[key][: len(steps)] == steps


def test_an_actor_that_dies_between_steps_loses_the_step_in_hand(
    tmp_path: Path, env: dict[str, str], notes: Path
) -> None:
    undisturbed = sweep(tmp_path / "whole", LOCAL, 4)
    run(undisturbed, env)
    file = sweep(tmp_path / "a", {"name": "ray", "cpus": 1}, 4, dies_after=3, **slow(notes))
    run(file, env)
    assert (notes / "died").exists()
    assert set(drawn(notes).values()) == {1}, "nothing is drawn twice"
    assert content(file) == content(undisturbed)


def test_a_killed_driver_continues_from_the_steps_of_its_batches(
    tmp_path: Path, env: dict[str, str], notes: Path
) -> None:
    undisturbed = sweep(tmp_path / "whole", LOCAL, 4)
    run(undisturbed, env)
    file = sweep(tmp_path / "a", {"name": "ray", "cpus": 1}, 4, **slow(notes))
    with ray_runs.running(file, env) as running:
        running.until("steps of a batch in hand are stored", lambda: unfinished(file))
    before = trajectories(file)
    run(file, env)
    is_whole(file, undisturbed, before, notes)


def test_a_killed_node_loses_what_was_drawn_since_the_last_hand_over(
    tmp_path: Path, env: dict[str, str], notes: Path
) -> None:
    undisturbed = sweep(tmp_path / "whole", LOCAL, 12)
    run(undisturbed, env)
    with ray_runs.cluster(3, env, tmp_path / "log") as cluster:
        file = sweep(tmp_path / "a", {"name": "ray", "address": cluster.address}, 12, **slow(notes))
        with ray_runs.running(file, env) as running:
            running.until("two workers draw at once", lambda: len(running.drawing()) == 2)
            node = next(node for node in cluster.raylets if any(f"({node})" in place for place in running.drawing()))
            running.until("steps of both batches are stored", lambda: len(unfinished(file)) > 2)
            before = trajectories(file)
            cluster.tell(f"kill {node}")
            running.ends()
    is_whole(file, undisturbed, before, notes)
    again = sum(drawn(notes).values()) - len(seeds(trajectories(file)))
    assert again <= 2 * 2, "more was drawn again than two drawings of a batch"
