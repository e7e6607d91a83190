"""Feeds the Ray actors of a run, collects what they return, and decides what becomes of the work of those that die."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, LocalRayletDiedError, RayError

from evalharness._util import environment
from evalharness._util.text import one_line
from evalharness.api.executor import Done, WorkerState, WorkQueue
from evalharness.api.failure import Failure
from evalharness.errors import BudgetError, EvalHarnessError
from evalharness.execution.executors import wire
from evalharness.execution.executors.faults import FaultRecord, Process, retry_or_fail
from evalharness.execution.executors.ray.actor import Actor, Call, reason_of_death
from evalharness.execution.executors.ray.placement import Placement
from evalharness.execution.executors.ray.settings import RaySettings

MAX_CALLS = 2
"""Maximum number of batches of an actor: one that is worked on, one that waits."""
POLL = 0.2
"""Seconds between looks at the state of the run."""
MAX_LOSSES = 10
"""Number of times that a sample may be lost together with its node, for which it is not to blame."""


class ActorPool:
    """Works on the queues of a run with actors.

    Args:
        settings: The executor's settings.
        queues: The queues of the run.
        started_here: Whether Ray was started on this machine for this run alone.
    """

    def __init__(self, settings: RaySettings, queues: Sequence[WorkQueue], *, started_here: bool) -> None:
        self._settings, self._queues = settings, queues
        self._faults = FaultRecord(settings.retries)
        self._placement = Placement(settings, queues, self._faults.quarantined, started_here=started_here)
        self._losses: Counter[str] = Counter()
        self._versions = environment.versions()

    def run(self) -> Iterator[Done]:
        """Work until all queues are finished."""
        while True:
            self._placement.nodes.refresh()
            if all(queue.finished for queue in self._queues):
                return
            self._placement.adjust()
            for actor in self._placement.actors:
                self._feed(actor)
            yield from self._collect()

    def states(self) -> list[WorkerState]:
        """The state of each actor."""
        return [actor.state for actor in list(self._placement.actors)]

    def stop(self) -> None:
        """End all actors."""
        self._placement.end_all()

    def warnings(self) -> list[str]:
        """A line for each device that is not used any more."""
        return self._faults.warnings()

    # --- batches out, results in ---

    def _feed(self, actor: Actor) -> None:
        """Send batches; a second one only while there are more than enough for all, so that all end together."""
        queue = actor.queue
        while actor.ready and len(actor.calls) < MAX_CALLS:
            count = self._placement.count(queue)
            if actor.calls and queue.waiting <= 2 * count * len(actor.calls[0].jobs):
                return
            jobs = queue.take(count, proven=actor.origin.proven)
            if not jobs:
                return
            actor.send(jobs)

    def _collect(self) -> Iterator[Done]:
        """Wait for answers. The jobs of a batch stay in the queue's hand until the caller has their outcomes."""
        pending = {reference: actor for actor in self._placement.actors for reference in actor.pending()}
        if not pending:
            time.sleep(POLL / 2)
            return
        ready, _ = ray.wait(list(pending), num_returns=1, timeout=POLL)
        if ready:
            ready, _ = ray.wait(list(pending), num_returns=len(pending), timeout=0)
        for reference in ready:
            if pending[reference] in self._placement.actors:
                yield from self._receive(pending[reference], reference)
        yield from self._end_overdue()

    def _receive(self, actor: Actor, reference: Any) -> Iterator[Done]:
        call = next((call for call in actor.calls if call.answers is reference), None)
        try:
            data = ray.get(reference if call is None else next(reference), timeout=60)
        except LocalRayletDiedError:
            raise
        except (RayError, GetTimeoutError) as error:
            yield from self._replace(actor, error)
            return
        if "fatal" in data:
            yield from self._raise_or_stop(actor, reference, data)
        elif call is not None:
            yield from self._take_answer(actor, call, data)
        elif reference is actor.description:
            self._welcome(actor, data)
        else:
            actor.loading, actor.loaded = None, data["loaded"]

    def _take_answer(self, actor: Actor, call: Call, data: dict[str, Any]) -> Iterator[Done]:
        """Store the steps of a batch, or yield what is done of it; an actor that may be at fault is replaced."""
        if "steps" in data:
            actor.queue.keep({key: wire.unpack_partial(partial) for key, partial in data["steps"].items()})
            return
        actor.finish(call)
        actor.queue.pace(len(call.jobs), data["seconds"])
        outcomes = [wire.unpack_outcome(outcome) for outcome in data["outcomes"]]
        verdict = self._faults.batch_done(actor.queue, call.jobs, outcomes, actor.origin)
        if verdict.replace:
            self._placement.end(actor)
            for waiting in reversed(actor.calls):
                actor.queue.put_back(waiting.jobs)
        else:
            self._feed(actor)
        if verdict.jobs:
            yield actor.queue, verdict.jobs, verdict.outcomes

    def _welcome(self, actor: Actor, data: dict[str, Any]) -> None:
        """Let an actor load its weights; one on a device that is not used any more is only kept."""
        actor.description = None
        if data["gpus"]:
            actor.place += f", GPU {', '.join(data['gpus'])}"
        self._verify(actor, data)
        actor.origin = Process(f"{actor.place} (pid {data['pid']})", actor.node.name, actor.place)
        self._faults.devices.add(actor.place)
        if actor.place in self._faults.quarantined:
            self._placement.park(actor)
        else:
            actor.loading = actor.handle.load.remote()

    def _verify(self, actor: Actor, data: dict[str, Any]) -> None:
        """Make sure that a node has the same program versions, which the report names.

        Raises:
            EvalHarnessError: They differ.
        """
        for package, version in data["versions"].items():
            if self._versions.get(package, version) != version:
                raise EvalHarnessError(
                    f"node {actor.node.name} has {package} {version}, this machine {self._versions[package]}"
                )

    def _raise_or_stop(self, actor: Actor, reference: Any, data: dict[str, Any]) -> Iterator[Done]:
        """Yield the error that a budget is spent; raise any other error of the actor, with the name of its node."""
        error = wire.unpack_error(data)
        if not isinstance(error, BudgetError) or reference is actor.description:
            kind = type(error) if isinstance(error, EvalHarnessError) else EvalHarnessError
            raise kind(f"node {actor.node.name}: {error}")
        jobs = [job for call in actor.calls for job in call.jobs]
        self._placement.end(actor)
        yield actor.queue, jobs, error

    # --- deaths ---

    def _end_overdue(self) -> Iterator[Done]:
        """Replace actors that have worked on a batch for too long. Loading is not counted."""
        limit = self._settings.timeout
        for actor in list(self._placement.actors):
            if limit is None or not actor.calls:
                continue
            allowed = limit if actor.loaded else limit + self._settings.loading
            if time.monotonic() - actor.calls[0].since > allowed:
                yield from self._replace(actor, TimeoutError(f"no result within {allowed:g} s"))

    def _replace(self, actor: Actor, error: BaseException) -> Iterator[Done]:
        """Let an actor's samples be tried again: alone, if they may be what killed it."""
        self._placement.end(actor)
        self._placement.nodes.refresh(at_once=True)
        reason = reason_of_death(error)
        running, *waiting = [call.jobs for call in actor.calls] or [[]]
        for jobs in reversed(waiting):
            actor.queue.put_back(jobs)
        if self._placement.nodes.alive(actor.node):
            yield from self._faults.worker_died(actor.queue, running, reason, actor.origin)
        else:
            text = f"{MAX_LOSSES + 1} workers died at it, the last: {reason}"
            lost = Failure(one_line(text), "worker")
            yield from retry_or_fail(actor.queue, running, self._losses, MAX_LOSSES, lost, actor.origin, alone=False)
