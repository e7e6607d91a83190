"""The Ray actors of a run: where they are placed, what each is working on, and how those that die are replaced."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, LocalRayletDiedError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evalharness._util import environment
from evalharness._util.text import one_line
from evalharness.api.executor import Done, WorkerState, WorkQueue
from evalharness.api.failure import Failure
from evalharness.errors import BudgetError, ConfigError, EvalHarnessError
from evalharness.execution.executors import wire
from evalharness.execution.executors.faults import FaultRecord, Process, retry_or_fail
from evalharness.execution.executors.host import WorkerHost
from evalharness.execution.executors.ray.settings import RaySettings, Resources

MAX_CALLS = 2
"""Maximum number of batches of an actor: one that is worked on, one that waits."""
POLL = 0.2
"""Seconds between looks at the state of the run."""
WORK_PER_SCORER = 10.0
"""Seconds of waiting work for each scoring worker, above which another one is started."""
NODE_REFRESH = 2.0
"""Seconds between looks at the nodes of the cluster."""
MAX_LOSSES = 10
"""Number of times that a sample may be lost together with its node, for which it is not to blame."""


@dataclass
class _Node:
    id: str
    name: str
    cpus: float
    gpus: float

    def has_room(self, need: Resources) -> bool:
        return self.cpus >= need.cpus and self.gpus >= (need.gpus or 0)


@dataclass
class _Call:
    ref: Any
    jobs: Sequence[Any]
    since: float


@dataclass(eq=False)
class _Actor:
    handle: Any
    queue: WorkQueue
    node: _Node
    need: Resources
    description: Any
    """The reference of its description; None once that has arrived and the actor is ready."""
    calls: deque[_Call] = field(default_factory=deque)
    loading: Any = None
    """The reference of the loading of its weights; None before and after that."""
    loaded: bool = False
    """Whether its weights are loaded: before its first batch, or by it."""
    idle_since: float = field(default_factory=time.monotonic)
    place: str = field(init=False)
    origin: Process = field(init=False)

    def __post_init__(self) -> None:
        self.place = self.node.name
        self.origin = Process(self.place, self.node.name, self.place)

    @property
    def ready(self) -> bool:
        return self.description is None and self.loading is None

    @property
    def state(self) -> WorkerState:
        jobs = sum(len(call.jobs) for call in list(self.calls))
        if not self.ready:
            return WorkerState(self.queue.name, self.place, "starting", jobs)
        return WorkerState(self.queue.name, self.place, "busy" if jobs else "idle", jobs)


class ActorPool:
    """Places actors on nodes, feeds them, and collects what they return.

    Args:
        settings: The executor's settings.
        queues: The queues of the run.
        started_here: Whether Ray was started on this machine for this run alone.
    """

    def __init__(self, settings: RaySettings, queues: Sequence[WorkQueue], *, started_here: bool) -> None:
        self._settings, self._queues, self._started_here = settings, queues, started_here
        self._actors: list[_Actor] = []
        self._parked: list[_Actor] = []
        """Actors that do nothing but keep a device which is not to be used any more from being given to others."""
        self._nodes: dict[str, _Node] = {}
        self._nodes_refreshed = -NODE_REFRESH
        self._faults = FaultRecord(settings.retries)
        self._losses: Counter[str] = Counter()
        self._no_room_since: float | None = None
        self._versions = environment.versions()
        self._host = ray.remote(WorkerHost)

    def run(self) -> Iterator[Done]:
        """Work until all queues are finished."""
        while True:
            self._refresh_nodes()
            if all(queue.finished for queue in self._queues):
                return
            self._adjust()
            for actor in self._actors:
                self._feed(actor)
            yield from self._collect()

    def states(self) -> list[WorkerState]:
        """The state of each actor."""
        return [actor.state for actor in list(self._actors)]

    def stop(self) -> None:
        """End all actors."""
        for actor in list(self._actors):
            self._end(actor)
        for actor in self._parked:
            with contextlib.suppress(RayError):
                ray.kill(actor.handle)

    def warnings(self) -> list[str]:
        """A line for each device that is not used any more."""
        return self._faults.warnings()

    # --- placement ---

    def _refresh_nodes(self) -> None:
        if time.monotonic() - self._nodes_refreshed < NODE_REFRESH:
            return
        self._nodes_refreshed = time.monotonic()
        self._nodes = {
            node["NodeID"]: _Node(
                node["NodeID"],
                node["NodeManagerHostname"] + ("" if self._started_here else f" ({node['NodeManagerAddress']})"),
                node["Resources"].get("CPU", 0.0),
                node["Resources"].get("GPU", 0.0),
            )
            for node in ray.nodes()
            if node["Alive"]
        }

    def _need(self, queue: WorkQueue) -> Resources:
        return self._settings.resources(queue, has_gpus=any(node.gpus for node in self._nodes.values()))

    def _adjust(self) -> None:
        """Give each queue one worker, as far as they fit, and the remaining room to those with most work per worker."""
        for actor in list(self._actors):
            if actor.queue.finished:
                self._end(actor)
        queues = self._by_priority()
        for queue in queues:
            if not self._count(queue) and not self._add(queue) and queue.waiting:
                self._make_room(queue)
        while crowded := [queue for queue in queues if self._wants_more(queue)]:
            crowded.sort(key=lambda queue: -queue.load / max(1, self._count(queue)))
            if not any(self._add(queue) for queue in crowded):
                break
        self._check_placement()

    def _by_priority(self) -> list[WorkQueue]:
        """The first model to draw, then the scorers of what it draws, then the other models."""
        unfinished = [queue for queue in self._queues if not queue.finished]
        draws = [queue for queue in unfinished if queue.stage == "draw"]
        return [*draws[:1], *(queue for queue in unfinished if queue.stage != "draw"), *draws[1:]]

    def _wants_more(self, queue: WorkQueue) -> bool:
        actors = [actor for actor in self._actors if actor.queue is queue]
        limit = self._need(queue).workers
        if limit is not None and len(actors) >= limit:
            return False
        idle = sum(not actor.calls for actor in actors)
        return queue.waiting > idle and (queue.stage == "draw" or queue.load > WORK_PER_SCORER * len(actors))

    def _count(self, queue: WorkQueue) -> int:
        return sum(actor.queue is queue for actor in self._actors)

    def _add(self, queue: WorkQueue) -> bool:
        """Start a worker on the node with most room; False if none has room."""
        need = self._need(queue)
        nodes = [node for node in self._free() if node.has_room(need) and node.name not in self._faults.quarantined]
        if not nodes:
            return False
        node = self._nodes[max(nodes, key=lambda node: (node.gpus, node.cpus)).id]
        options = {
            "num_cpus": need.cpus,
            "num_gpus": need.gpus or 0,
            "max_restarts": 0,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False),
        }
        threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, int(need.cpus)))
        handle = self._host.options(**options).remote(queue.worker_spec.as_json(), self._settings.paths, threads)
        self._actors.append(_Actor(handle, queue, node, need, handle.describe.remote()))
        self._no_room_since = None
        return True

    def _free(self) -> list[_Node]:
        """The nodes with what their actors leave of them."""
        free = []
        for node in self._nodes.values():
            needs = [actor.need for actor in [*self._actors, *self._parked] if actor.node.id == node.id]
            cpus = node.cpus - sum(need.cpus for need in needs)
            gpus = node.gpus - sum(need.gpus or 0 for need in needs)
            free.append(_Node(node.id, node.name, round(cpus, 6), round(gpus, 6)))
        return free

    def _make_room(self, queue: WorkQueue) -> None:
        """Replace a worker that has been idle for a while."""
        for actor in list(self._actors):
            idle = actor.ready and not actor.calls and not actor.queue.waiting
            if idle and time.monotonic() - actor.idle_since > 1:
                self._end(actor)
                self._add(queue)
                return

    def _check_placement(self) -> None:
        """End the run if work is waiting that no node has room for.

        Raises:
            ConfigError: this machine is too small.
            EvalHarnessError: the cluster has had no room for ``patience`` seconds.
        """
        stuck = [queue for queue in self._queues if queue.waiting and not self._count(queue) and not self._fits(queue)]
        if not stuck or (self._actors and not self._started_here):
            self._no_room_since = None
            return
        self._no_room_since = self._no_room_since or time.monotonic()
        need = self._need(stuck[0])
        wanted = f"a worker to {stuck[0].name} needs {need.cpus:g} CPUs and {need.gpus:g} GPUs"
        if self._started_here:
            raise ConfigError(f"executor 'ray': {wanted}; this machine has {self._largest_node()}")
        if time.monotonic() - self._no_room_since > self._settings.patience:
            has = f"its largest node has {self._largest_node()}" if self._nodes else "it has no node"
            raise EvalHarnessError(
                f"executor 'ray': {wanted}; the cluster has had no room for {self._settings.patience:g} s, {has}; "
                "run again to continue"
            )
        time.sleep(POLL)

    def _fits(self, queue: WorkQueue) -> bool:
        """Whether a node would have room if it had nothing else to do."""
        need = self._need(queue)
        return any(node.has_room(need) for node in self._nodes.values())

    def _largest_node(self) -> str:
        node = max(self._nodes.values(), key=lambda node: (node.gpus, node.cpus))
        return f"{node.cpus:g} CPUs and {node.gpus:g} GPUs"

    # --- batches out, results in ---

    def _feed(self, actor: _Actor) -> None:
        """Send batches; a second one only while there are more than enough for all, so that all end together."""
        queue = actor.queue
        while actor.ready and len(actor.calls) < MAX_CALLS:
            count = self._count(queue)
            if actor.calls and queue.waiting <= 2 * count * len(actor.calls[0].jobs):
                return
            jobs = queue.take(count, proven=actor.origin.proven)
            if not jobs:
                return
            ref = actor.handle.work.remote(wire.pack_jobs(jobs))
            actor.calls.append(_Call(ref, jobs, time.monotonic()))

    def _collect(self) -> Iterator[Done]:
        """Wait for results. The jobs of a batch stay in the queue's hand until the caller has their outcomes."""
        refs = {call.ref: actor for actor in self._actors for call in actor.calls}
        refs |= {actor.description: actor for actor in self._actors if actor.description is not None}
        refs |= {actor.loading: actor for actor in self._actors if actor.loading is not None}
        if not refs:
            time.sleep(POLL / 2)
            return
        ready, _ = ray.wait(list(refs), num_returns=1, timeout=POLL)
        if ready:
            ready, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
        for ref in ready:
            if refs[ref] in self._actors:
                yield from self._receive(refs[ref], ref)
        yield from self._end_overdue()

    def _receive(self, actor: _Actor, ref: Any) -> Iterator[Done]:
        try:
            data = ray.get(ref, timeout=60)
        except LocalRayletDiedError:
            raise
        except (RayError, GetTimeoutError) as error:
            yield from self._replace(actor, error)
            return
        if "fatal" in data:
            yield from self._raise_or_stop(actor, ref, data)
        elif ref == actor.description:
            self._welcome(actor, data)
        elif ref == actor.loading:
            actor.loading, actor.loaded = None, data["loaded"]
        else:
            call = next(call for call in actor.calls if call.ref == ref)
            actor.calls.remove(call)
            actor.idle_since = time.monotonic()
            if actor.calls:
                actor.calls[0].since = time.monotonic()
            yield from self._finish(actor, call, data)

    def _finish(self, actor: _Actor, call: _Call, data: dict[str, Any]) -> Iterator[Done]:
        """Yield what is done of a batch; an actor that may be at fault is replaced."""
        actor.loaded = True
        actor.queue.pace(len(call.jobs), data["seconds"])
        outcomes = [wire.unpack_outcome(outcome) for outcome in data["outcomes"]]
        verdict = self._faults.batch_done(actor.queue, call.jobs, outcomes, actor.origin)
        if verdict.replace:
            self._end(actor)
            for waiting in reversed(actor.calls):
                actor.queue.put_back(waiting.jobs)
        else:
            self._feed(actor)
        if verdict.jobs:
            yield actor.queue, verdict.jobs, verdict.outcomes

    def _welcome(self, actor: _Actor, data: dict[str, Any]) -> None:
        """Let an actor load its weights; one on a device that is not used any more is only kept."""
        actor.description = None
        if data["gpus"]:
            actor.place += f", GPU {', '.join(data['gpus'])}"
        self._verify(actor, data)
        actor.origin = Process(f"{actor.place} (pid {data['pid']})", actor.node.name, actor.place)
        self._faults.devices.add(actor.place)
        if actor.place in self._faults.quarantined:
            self._actors.remove(actor)
            self._parked.append(actor)
        else:
            actor.loading = actor.handle.load.remote()

    def _verify(self, actor: _Actor, data: dict[str, Any]) -> None:
        """Make sure that a node has the same program versions, which the report names.

        Raises:
            EvalHarnessError: They differ.
        """
        for package, version in data["versions"].items():
            if self._versions.get(package, version) != version:
                raise EvalHarnessError(
                    f"node {actor.node.name} has {package} {version}, this machine {self._versions[package]}"
                )

    def _raise_or_stop(self, actor: _Actor, ref: Any, data: dict[str, Any]) -> Iterator[Done]:
        """Yield the error that a budget is spent; raise any other error of the actor, with the name of its node."""
        error = wire.unpack_error(data)
        if not isinstance(error, BudgetError) or ref == actor.description:
            kind = type(error) if isinstance(error, EvalHarnessError) else EvalHarnessError
            raise kind(f"node {actor.node.name}: {error}")
        jobs = [job for call in actor.calls for job in call.jobs]
        self._end(actor)
        yield actor.queue, jobs, error

    # --- deaths ---

    def _end_overdue(self) -> Iterator[Done]:
        """Replace actors that have worked on a batch for too long. Loading is not counted."""
        limit = self._settings.timeout
        for actor in list(self._actors):
            if limit is None or not actor.calls:
                continue
            allowed = limit if actor.loaded else limit + self._settings.loading
            if time.monotonic() - actor.calls[0].since > allowed:
                yield from self._replace(actor, TimeoutError(f"no result within {allowed:g} s"))

    def _replace(self, actor: _Actor, error: BaseException) -> Iterator[Done]:
        """Let an actor's samples be tried again: alone, if they may be what killed it."""
        self._end(actor)
        self._nodes_refreshed = -NODE_REFRESH
        self._refresh_nodes()
        reason = _reason(error)
        running, *waiting = [call.jobs for call in actor.calls] or [[]]
        for jobs in reversed(waiting):
            actor.queue.put_back(jobs)
        if actor.node.id in self._nodes:
            yield from self._faults.worker_died(actor.queue, running, reason, actor.origin)
        else:
            text = f"{MAX_LOSSES + 1} workers died at it, the last: {reason}"
            lost = Failure(one_line(text), "worker")
            yield from retry_or_fail(actor.queue, running, self._losses, MAX_LOSSES, lost, actor.origin, alone=False)

    def _end(self, actor: _Actor) -> None:
        self._actors.remove(actor)
        with contextlib.suppress(RayError):
            ray.kill(actor.handle)


def _reason(error: BaseException) -> str:
    """The line of Ray's error message that says why an actor died."""
    text = str(error.cause if isinstance(error, RayTaskError) else error)
    if "memory pressure" in text or "OutOfMemory" in type(error).__name__:
        return "the machine ran out of memory"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if "died" in line or "killed" in line or "exit" in line]
    return one_line((causes or lines or [type(error).__name__])[0], 200)
