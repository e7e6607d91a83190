"""Decides which queues have workers, and on which nodes these are placed."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from evalharness.api.executor import WorkQueue
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.execution.executors.ray import actor as actors
from evalharness.execution.executors.ray.actor import Actor
from evalharness.execution.executors.ray.nodes import Node, Nodes
from evalharness.execution.executors.ray.settings import RaySettings, Resources

WORK_PER_SCORER = 10.0
"""Seconds of waiting work for each scoring worker, above which another one is started."""
IDLE = 1.0
"""Seconds after which an idle worker may be replaced by one of another queue."""
POLL = 0.2
"""Seconds between looks at a cluster that has no room."""


class Placement:
    """The actors of a run.

    Args:
        settings: The executor's settings.
        queues: The queues of the run.
        quarantined: Places on which no actor is started any more.
        started_here: Whether Ray was started on this machine for this run alone.
    """

    def __init__(
        self, settings: RaySettings, queues: Sequence[WorkQueue], quarantined: Collection[str], *, started_here: bool
    ) -> None:
        self._settings, self._queues, self._started_here = settings, queues, started_here
        self._quarantined = quarantined
        self.actors: list[Actor] = []
        self.nodes = Nodes(started_here=started_here)
        self._parked: list[Actor] = []
        """Actors that do nothing but keep a device which is not to be used any more from being given to others."""
        self._no_room_since: float | None = None

    def adjust(self) -> None:
        """Give each queue one worker, as far as they fit, and the remaining room to those with most work per worker."""
        for actor in list(self.actors):
            if actor.queue.finished:
                self.end(actor)
        queues = self._by_priority()
        for queue in queues:
            if not self.count(queue) and not self._add(queue) and queue.waiting:
                self._make_room(queue)
        while crowded := [queue for queue in queues if self._wants_more(queue)]:
            crowded.sort(key=lambda queue: -queue.load / max(1, self.count(queue)))
            if not any(self._add(queue) for queue in crowded):
                break
        self._check_room()

    def count(self, queue: WorkQueue) -> int:
        """The number of actors of a queue."""
        return sum(actor.queue is queue for actor in self.actors)

    def park(self, actor: Actor) -> None:
        """Let an actor do nothing but keep its device."""
        self.actors.remove(actor)
        self._parked.append(actor)

    def end(self, actor: Actor) -> None:
        """End one actor."""
        self.actors.remove(actor)
        actor.kill()

    def end_all(self) -> None:
        """End all actors."""
        for actor in [*self.actors, *self._parked]:
            actor.kill()
        self.actors.clear()

    def _need(self, queue: WorkQueue) -> Resources:
        return self._settings.resources(queue, has_gpus=self.nodes.has_gpus)

    def _by_priority(self) -> list[WorkQueue]:
        """The first model to draw, then the scorers of what it draws, then the other models."""
        unfinished = [queue for queue in self._queues if not queue.finished]
        draws = [queue for queue in unfinished if queue.stage == "draw"]
        return [*draws[:1], *(queue for queue in unfinished if queue.stage != "draw"), *draws[1:]]

    def _wants_more(self, queue: WorkQueue) -> bool:
        actors = [actor for actor in self.actors if actor.queue is queue]
        limit = self._need(queue).workers
        if limit is not None and len(actors) >= limit:
            return False
        idle = sum(not actor.calls for actor in actors)
        return queue.waiting > idle and (queue.stage == "draw" or queue.load > WORK_PER_SCORER * len(actors))

    def _add(self, queue: WorkQueue) -> bool:
        """Start a worker on the node with most room; False if none has room."""
        need = self._need(queue)
        nodes = [node for node in self._free() if node.has_room(need) and node.name not in self._quarantined]
        if not nodes:
            return False
        node = max(nodes, key=lambda node: node.size)
        self.actors.append(actors.start(queue, node, need, self._settings.paths))
        self._no_room_since = None
        return True

    def _free(self) -> list[Node]:
        """The nodes with what their actors leave of them."""
        held = [*self.actors, *self._parked]
        return [node.without(actor.need for actor in held if actor.node.id == node.id) for node in self.nodes.all()]

    def _make_room(self, queue: WorkQueue) -> None:
        """Replace a worker that has been idle for a while."""
        for actor in list(self.actors):
            idle = actor.ready and not actor.calls and not actor.queue.waiting
            if idle and time.monotonic() - actor.idle_since > IDLE:
                self.end(actor)
                self._add(queue)
                return

    def _check_room(self) -> None:
        """End the run if work is waiting that no node has room for.

        Raises:
            ConfigError: This machine is too small.
            EvalHarnessError: The cluster has had no room for ``patience`` seconds.
        """
        stuck = [queue for queue in self._queues if queue.waiting and not self.count(queue) and not self._fits(queue)]
        if not stuck or (self.actors and not self._started_here):
            self._no_room_since = None
            return
        self._no_room_since = self._no_room_since or time.monotonic()
        need = self._need(stuck[0])
        wanted = f"a worker to {stuck[0].name} needs {need.cpus:g} CPUs and {need.gpus:g} GPUs"
        if self._started_here:
            raise ConfigError(f"executor 'ray': {wanted}; this machine has {self.nodes}")
        if time.monotonic() - self._no_room_since > self._settings.patience:
            has = f"its largest node has {self.nodes}" if self.nodes.all() else "it has no node"
            raise EvalHarnessError(
                f"executor 'ray': {wanted}; the cluster has had no room for {self._settings.patience:g} s, {has}; "
                "run again to continue"
            )
        time.sleep(POLL)

    def _fits(self, queue: WorkQueue) -> bool:
        """Whether a node would have room if it had nothing else to do."""
        need = self._need(queue)
        return any(node.has_room(need) for node in self.nodes.all())
