"""A Ray actor of a run: how it is started, what it is working on, and why it died."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evalharness._util.text import one_line
from evalharness.api.executor import WorkerState, WorkQueue
from evalharness.execution.executors import wire
from evalharness.execution.executors.faults import Process
from evalharness.execution.executors.ray.nodes import Node
from evalharness.execution.executors.ray.settings import Resources
from evalharness.execution.executors.ray.streaming import StreamingHost


@dataclass
class Call:
    """A batch that an actor was sent.

    Attributes:
        answers: Ray's generator of the answers to it, see :meth:`StreamingHost.work`.
        since: When the actor began with it, on the monotonic clock.
    """

    answers: Any
    jobs: Sequence[Any]
    since: float


@dataclass(eq=False)
class Actor:
    """One actor, with the batches that it has.

    Attributes:
        description: The reference of its description; ``None`` once that has arrived.
        loading: The reference of the loading of its weights; ``None`` before and after that.
        loaded: Whether its weights are loaded: before its first batch, or by it.
        place: Its node, and its device once that is known.
        origin: What the record of faults knows of it.
    """

    handle: Any
    queue: WorkQueue
    node: Node
    need: Resources
    description: Any
    calls: deque[Call] = field(default_factory=deque)
    loading: Any = None
    loaded: bool = False
    idle_since: float = field(default_factory=time.monotonic)
    place: str = field(init=False)
    origin: Process = field(init=False)

    def __post_init__(self) -> None:
        self.place = self.node.name
        self.origin = Process(self.place, self.node.name, self.place)

    @property
    def ready(self) -> bool:
        """Whether it can be sent a batch."""
        return self.description is None and self.loading is None

    @property
    def state(self) -> WorkerState:
        """The present state, for an observer in another thread."""
        jobs = sum(len(call.jobs) for call in list(self.calls))
        if not self.ready:
            return WorkerState(self.queue.name, self.place, "starting", jobs)
        return WorkerState(self.queue.name, self.place, "busy" if jobs else "idle", jobs)

    def pending(self) -> list[Any]:
        """What it has to answer: references, and generators of references."""
        references = (self.description, self.loading, *(call.answers for call in self.calls))
        return [reference for reference in references if reference is not None]

    def send(self, jobs: Sequence[Any]) -> None:
        """Let it work on a batch."""
        self.calls.append(Call(self.handle.work.remote(wire.pack_jobs(jobs)), jobs, time.monotonic()))

    def finish(self, call: Call) -> None:
        """Note that a batch is done."""
        self.calls.remove(call)
        self.idle_since = time.monotonic()
        self.loaded = True
        if self.calls:
            self.calls[0].since = time.monotonic()

    def kill(self) -> None:
        """End its process."""
        with contextlib.suppress(RayError):
            ray.kill(self.handle)


def start(queue: WorkQueue, node: Node, need: Resources, paths: Mapping[str, str]) -> Actor:
    """Start an actor for a queue on a node, without waiting for it."""
    options = {
        "num_cpus": need.cpus,
        "num_gpus": need.gpus or 0,
        "max_restarts": 0,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False),
    }
    threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, int(need.cpus)))
    host = ray.remote(StreamingHost).options(**options)
    handle = host.remote(queue.worker_spec.as_json(), paths, threads)
    return Actor(handle, queue, node, need, handle.describe.remote())


def reason_of_death(error: BaseException) -> str:
    """The line of Ray's error message that says why an actor died."""
    text = str(error.cause if isinstance(error, RayTaskError) else error)
    if "memory pressure" in text or "OutOfMemory" in type(error).__name__:
        return "the machine ran out of memory"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if "died" in line or "killed" in line or "exit" in line]
    return one_line((causes or lines or [type(error).__name__])[0], 200)
