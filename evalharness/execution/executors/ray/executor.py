"""The executor ``ray``: all devices of this machine, or of a cluster, with a worker in each Ray actor.

Actors are made from plain settings and send plain results; only the driving process writes. What is lost with a node or
an actor is done again elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from evalharness.api.executor import Done, Executor, WorkerState, WorkQueue
from evalharness.config.schema import Sweep
from evalharness.errors import ConfigError, EvalHarnessError, did_you_mean
from evalharness.execution.executors.ray import startup
from evalharness.execution.executors.ray.settings import RaySettings

if TYPE_CHECKING:
    from evalharness.execution.executors.ray.pool import ActorPool


class Ray(Executor):
    """Starts Ray on this machine, or joins a cluster."""

    Settings = RaySettings
    requires: ClassVar[tuple[str, ...]] = ("ray",)

    def __init__(self, settings: RaySettings) -> None:
        self.settings = settings
        self._pool: ActorPool | None = None
        self._started = False

    def check(self, sweep: Sweep) -> None:
        """Refuse resources for names that the sweep does not have; they would silently have no effect."""
        known_names = {"models": sweep.models.keys(), "benchmarks": {spec.name for spec in sweep.benchmarks}}
        for key, known in known_names.items():
            for name in getattr(self.settings, key):
                if name not in known:
                    raise ConfigError(f"executor 'ray': {key}: none is called {name!r}{did_you_mean(name, known)}")

    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        """Work until all queues are finished; see :class:`~evalharness.api.executor.Executor`."""
        if all(queue.finished for queue in queues):
            return
        if not self._started:
            startup.start(self.settings)
            self._started = True
        from ray.exceptions import RayError

        from evalharness.execution.executors.ray.pool import ActorPool

        self._pool = ActorPool(self.settings, queues, started_here=self.settings.address is None)
        try:
            yield from self._pool.run()
        except RayError as error:
            line = startup.first_line(error)
            raise EvalHarnessError(f"the Ray cluster is gone ({line}); run again to continue") from error
        finally:
            self._pool.stop()

    def most_workers(self, model: str) -> int | None:
        return self.settings.models.get(model, self.settings.draw).workers

    def workers(self) -> list[WorkerState]:
        """The state of each actor."""
        return self._pool.states() if self._pool is not None else []

    def warnings(self) -> list[str]:
        """The devices that are not used any more."""
        return self._pool.warnings() if self._pool is not None else []

    def close(self) -> None:
        """Stop Ray, or leave the cluster."""
        if self._started:
            import ray

            ray.shutdown()
            self._started = False
