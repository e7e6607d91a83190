"""What the parent of a child process keeps of it."""

from __future__ import annotations

from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any

from evalharness.execution.executors.children import Child
from evalharness.execution.executors.in_process import worker_key
from evalharness.generation.single_pass import SinglePass
from evalharness.planning.plan import Job

JOB = Job("key", "model", SinglePass(variant="single_pass"), "a cat", 0)


def queue(name: str) -> Any:
    spec = SimpleNamespace(as_json=lambda: {"name": name})
    return SimpleNamespace(name=name, stage="draw", worker_spec=spec)


def test_the_batch_for_which_a_child_loads_a_worker_is_marked() -> None:
    """Its seconds say nothing of the scorer's speed."""
    ours, _theirs = Pipe()
    process: Any = None
    child = Child(0, "worker 1", process, ours)
    loading = []
    for name, released in (("a", []), ("a", []), ("b", []), ("a", []), ("b", ["a"]), ("a", [])):
        child.send(queue(name), [JOB], [worker_key(queue(other)) for other in released])
        loading.append(child.loading)
    assert loading == [True, False, True, False, False, True]
