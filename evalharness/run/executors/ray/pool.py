"""The actors of a run on Ray: which there are, on which nodes, what each is at, and what becomes of those that die."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import GetTimeoutError, LocalRayletDiedError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evalharness import errors
from evalharness._util import environment
from evalharness._util.hashing import canonical
from evalharness._util.text import one_line
from evalharness.api.executor import Done, Failure, WorkerState, WorkQueue
from evalharness.errors import BudgetError, ConfigError, EvalHarnessError
from evalharness.run.executors.ray import wire
from evalharness.run.executors.ray.host import Host

if TYPE_CHECKING:
    from evalharness.run.executors.ray.executor import Ray, Resources

DEPTH = 2
"""So many batches an actor has at most: one at work, one that it need not wait for."""
TICK = 0.2
WORTH = 10.0
"""Seconds of work for each worker that looks at images, below which no other is started beside them."""
LOOK_AROUND = 2.0
"""Seconds between looks at which nodes there are."""
HOPELESS = 10
"""So many workers of a queue that die one after the other, with no batch done between, are no sample's fault."""
LOSSES = 10
"""So often may a sample be lost with its node, which is not its fault."""


@dataclass
class _Node:
    id: str
    name: str
    cpus: float
    gpus: float


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
    described: Any
    """The reference of its description, until that has come."""
    calls: deque[_Call] = field(default_factory=deque)
    idle_since: float = field(default_factory=time.monotonic)
    place: str = field(init=False)

    def __post_init__(self) -> None:
        self.place = self.node.name

    @property
    def ready(self) -> bool:
        return self.described is None


class Pool:
    """See the module's docstring. ``own``: Ray was started here, for this run alone."""

    def __init__(self, settings: Ray.Settings, queues: Sequence[WorkQueue], *, own: bool) -> None:
        self._settings, self._queues, self._own = settings, queues, own
        self._actors: list[_Actor] = []
        self._nodes: dict[str, _Node] = {}
        self._looked = -LOOK_AROUND
        self._deaths: Counter[str] = Counter()
        self._crashes: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._without_worker: float | None = None
        self._versions = environment.versions()
        self._identities: dict[str, str] = {}
        self._host = ray.remote(Host)

    def run(self) -> Iterator[Done]:
        while True:
            self._look_around()
            if all(queue.finished for queue in self._queues):
                return
            self._adjust()
            for actor in self._actors:
                self._feed(actor)
            yield from self._collect()

    def states(self) -> list[WorkerState]:
        states: list[WorkerState] = []
        for actor in list(self._actors):
            jobs = sum(len(call.jobs) for call in list(actor.calls))
            states.append(
                WorkerState(
                    actor.queue.name,
                    actor.place,
                    "starting" if not actor.ready else "busy" if jobs else "idle",
                    jobs,
                )
            )
        return states

    def stop(self) -> None:
        for actor in list(self._actors):
            self._let_go(actor)

    # --- who works where ---

    def _look_around(self) -> None:
        if time.monotonic() - self._looked < LOOK_AROUND:
            return
        self._looked = time.monotonic()
        self._nodes = {
            node["NodeID"]: _Node(
                node["NodeID"],
                node["NodeManagerHostname"] + ("" if self._own else f" ({node['NodeManagerAddress']})"),
                node["Resources"].get("CPU", 0.0),
                node["Resources"].get("GPU", 0.0),
            )
            for node in ray.nodes()
            if node["Alive"]
        }

    def _need(self, queue: WorkQueue) -> Resources:
        return self._settings.resources(queue, has_gpus=any(node.gpus for node in self._nodes.values()))

    def _adjust(self) -> None:
        """Each queue has one worker, as far as they fit; the others go to whichever has most to do for each it has."""
        for actor in list(self._actors):
            if actor.queue.finished:
                self._let_go(actor)
        queues = self._in_order()
        for queue in queues:
            if not self._count(queue) and not self._add(queue) and queue.waiting:
                self._make_room(queue)
        while crowded := [queue for queue in queues if self._wants_more(queue)]:
            crowded.sort(key=lambda queue: -queue.load / max(1, self._count(queue)))
            if not any(self._add(queue) for queue in crowded):
                break
        self._mind_the_hopeless()

    def _in_order(self) -> list[WorkQueue]:
        """The first to draw, then those that look at what it draws, then the next to draw."""
        going = [queue for queue in self._queues if not queue.finished]
        draws = [queue for queue in going if queue.stage == "draw"]
        return [*draws[:1], *(queue for queue in going if queue.stage != "draw"), *draws[1:]]

    def _wants_more(self, queue: WorkQueue) -> bool:
        own = [actor for actor in self._actors if actor.queue is queue]
        limit = self._need(queue).workers
        if limit is not None and len(own) >= limit:
            return False
        idle = sum(not actor.calls for actor in own)
        return queue.waiting > idle and (queue.stage == "draw" or queue.load > WORTH * len(own))

    def _count(self, queue: WorkQueue) -> int:
        return sum(actor.queue is queue for actor in self._actors)

    def _add(self, queue: WorkQueue) -> bool:
        """One more worker, on the node with most left; False if there is no room."""
        need = self._need(queue)
        wanted = need.gpus or 0
        fitting = [found for found in self._free() if found[0] >= need.cpus and found[1] >= wanted]
        if not fitting:
            return False
        _, _, node = max(fitting, key=lambda found: (found[1], found[0]))
        options = {
            "num_cpus": need.cpus,
            "num_gpus": wanted,
            "max_restarts": 0,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False),
        }
        threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, int(need.cpus)))
        handle = self._host.options(**options).remote(queue.worker_spec.as_json(), self._settings.paths, threads)
        self._actors.append(_Actor(handle, queue, node, need, handle.describe.remote()))
        self._without_worker = None
        return True

    def _free(self) -> list[tuple[float, float, _Node]]:
        found = []
        for node in self._nodes.values():
            own = [actor.need for actor in self._actors if actor.node.id == node.id]
            cpus = node.cpus - sum(need.cpus for need in own)
            gpus = node.gpus - sum(need.gpus or 0 for need in own)
            found.append((round(cpus, 6), round(gpus, 6), node))
        return found

    def _make_room(self, queue: WorkQueue) -> None:
        """End a worker that has had nothing to do for a while."""
        for actor in list(self._actors):
            idle = actor.ready and not actor.calls and not actor.queue.waiting
            if idle and time.monotonic() - actor.idle_since > 1:
                self._let_go(actor)
                self._add(queue)
                return

    def _mind_the_hopeless(self) -> None:
        """Work without a worker, and none that could come."""
        queues = [queue for queue in self._queues if queue.waiting and not self._count(queue) and not self._fits(queue)]
        if not queues or (self._actors and not self._own):
            self._without_worker = None
            return
        self._without_worker = self._without_worker or time.monotonic()
        queue = queues[0]
        need = self._need(queue)
        wanted = f"a worker to {queue.name} needs {need.cpus:g} CPUs and {need.gpus:g} GPUs"
        if self._own:
            raise ConfigError(f"executor 'ray': {wanted}; this machine has {self._largest()}")
        if time.monotonic() - self._without_worker > self._settings.patience:
            has = f"its largest node has {self._largest()}" if self._nodes else "it has no node"
            raise EvalHarnessError(
                f"executor 'ray': {wanted}; the cluster has had no room for {self._settings.patience:g} s, {has}; "
                "run again to continue"
            )
        time.sleep(TICK)

    def _fits(self, queue: WorkQueue) -> bool:
        """Whether a node had room if it had nothing else to do."""
        need = self._need(queue)
        return any(node.cpus >= need.cpus and node.gpus >= (need.gpus or 0) for node in self._nodes.values())

    def _largest(self) -> str:
        node = max(self._nodes.values(), key=lambda node: (node.gpus, node.cpus))
        return f"{node.cpus:g} CPUs and {node.gpus:g} GPUs"

    # --- work out, results in ---

    def _feed(self, actor: _Actor) -> None:
        """A second batch only while there are more than enough for all, so that the end is shared evenly."""
        queue = actor.queue
        while actor.ready and len(actor.calls) < DEPTH:
            count = self._count(queue)
            if actor.calls and queue.waiting <= 2 * count * len(actor.calls[0].jobs):
                return
            jobs = queue.take(count)
            if not jobs:
                return
            ref = actor.handle.work.remote(wire.pack_jobs(jobs))
            actor.calls.append(_Call(ref, jobs, time.monotonic()))

    def _collect(self) -> Iterator[Done]:
        """What has come in since; a batch's jobs are still in the queue's hand until whoever drives this has them."""
        refs = {call.ref: actor for actor in self._actors for call in actor.calls}
        refs |= {actor.described: actor for actor in self._actors if actor.described is not None}
        if not refs:
            time.sleep(TICK / 2)
            return
        ready, _ = ray.wait(list(refs), num_returns=1, timeout=TICK)
        if ready:
            ready, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
        for ref in ready:
            if refs[ref] in self._actors:
                yield from self._receive(refs[ref], ref)
        yield from self._end_the_stuck()

    def _receive(self, actor: _Actor, ref: Any) -> Iterator[Done]:
        try:
            data = ray.get(ref, timeout=60)
        except LocalRayletDiedError:
            raise
        except (RayError, GetTimeoutError) as error:
            yield from self._bury(actor, error)
            return
        if "fatal" in data:
            yield from self._fatal(actor, ref, *data["fatal"])
        elif ref == actor.described:
            actor.described = None
            if data["gpus"]:
                actor.place += f", GPU {', '.join(data['gpus'])}"
            self._verify(actor, data)
        else:
            call = next(call for call in actor.calls if call.ref == ref)
            actor.calls.remove(call)
            actor.idle_since = time.monotonic()
            if actor.calls:
                actor.calls[0].since = time.monotonic()
            self._deaths[actor.queue.name] = 0
            if hasattr(actor.queue, "pace"):
                actor.queue.pace(len(call.jobs), data["seconds"])
            self._feed(actor)
            yield actor.queue, call.jobs, [wire.unpack_outcome(one) for one in data["outcomes"]]

    def _verify(self, actor: _Actor, data: dict[str, Any]) -> None:
        """The same weights and programs as here, or the run is not what its report would say."""
        queue = actor.queue
        if queue.name not in self._identities:
            self._identities[queue.name] = canonical(dict(queue.worker_spec.identity()))
        if canonical(data["identity"]) != self._identities[queue.name]:
            raise EvalHarnessError(f"node {actor.node.name} has other weights than this machine to {queue.name}")
        for package, version in data["versions"].items():
            if self._versions.get(package, version) != version:
                raise EvalHarnessError(
                    f"node {actor.node.name} has {package} {version}, this machine {self._versions[package]}"
                )

    def _fatal(self, actor: _Actor, ref: Any, kind: str, message: str) -> Iterator[Done]:
        cls = getattr(errors, kind, EvalHarnessError)
        if cls is BudgetError and ref != actor.described:
            jobs = [job for call in actor.calls for job in call.jobs]
            self._let_go(actor)
            yield actor.queue, jobs, BudgetError(message)
            return
        raise (cls if issubclass(cls, EvalHarnessError) else EvalHarnessError)(f"node {actor.node.name}: {message}")

    # --- the dead ---

    def _end_the_stuck(self) -> Iterator[Done]:
        limit = self._settings.timeout
        for actor in list(self._actors):
            if limit is not None and actor.calls and time.monotonic() - actor.calls[0].since > limit:
                yield from self._bury(actor, TimeoutError(f"no result within {limit:g} s"))

    def _bury(self, actor: _Actor, error: BaseException) -> Iterator[Done]:
        """Its samples are tried again: alone, if they may be what killed it."""
        self._let_go(actor)
        self._looked = -LOOK_AROUND
        self._look_around()
        lost = actor.node.id not in self._nodes
        queue, reason = actor.queue, _reason(error)
        running, *others = [call.jobs for call in actor.calls] or [[]]
        for jobs in reversed(others):
            queue.put_back(jobs)
        if not lost:
            self._deaths[queue.name] += 1
            if self._deaths[queue.name] >= HOPELESS:
                queue.put_back(running)
                raise EvalHarnessError(f"{HOPELESS} workers to {queue.name} died, one after the other: {reason}")
        tally, limit = (self._losses, LOSSES) if lost else (self._crashes, self._settings.retries)
        tally.update(job.key for job in running)
        again = [job for job in running if tally[job.key] <= limit]
        given_up = [job for job in running if tally[job.key] > limit]
        queue.put_back(again, alone=not lost)
        if given_up:
            text = f"{limit + 1} workers died at it, the last: {reason}" if limit else reason
            yield queue, given_up, [Failure(one_line(text)) for _ in given_up]

    def _let_go(self, actor: _Actor) -> None:
        self._actors.remove(actor)
        with contextlib.suppress(RayError):
            ray.kill(actor.handle)


def _reason(error: BaseException) -> str:
    """What of Ray's many lines tells why."""
    text = str(error.cause if isinstance(error, RayTaskError) else error)
    if "memory pressure" in text or "OutOfMemory" in type(error).__name__:
        return "the machine ran out of memory"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if "died" in line or "killed" in line or "exit" in line]
    return one_line((causes or lines or [type(error).__name__])[0], 200)
