"""The executor ``ray``: all devices of this machine, or of a cluster; a worker in each Ray actor.

Actors are made from plain settings and send plain results; this process alone writes. What a node or an actor takes
with it when it dies is done again elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from evalharness.api.executor import Done, WorkerState, WorkQueue
from evalharness.config.schema import Sweep
from evalharness.errors import ConfigError, EvalHarnessError, did_you_mean

STARTS = 3
"""So often is Ray started on this machine before that is given up."""
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a worker without a GPU sees none
}
"""What Ray is started with, unless something else is said."""
TROUBLE = (OSError, RuntimeError, ValueError)
"""What is raised where Ray does not start, beside its own errors."""
Amount = Annotated[float, Field(ge=0, le=4096)]


class Resources(BaseModel):
    """Of one worker. ``gpus``: a part of one, or several whole ones; ``workers``: at most so many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: Amount | None = None
    cpus: Amount = 1.0
    workers: Annotated[int, Field(ge=1, le=100_000)] | None = None

    def for_cluster(self, gpus: float) -> Resources:
        """``gpus`` are taken where there are any and nothing else is said."""
        return self if self.gpus is not None else self.model_copy(update={"gpus": gpus})


class Ray:
    """Starts Ray on this machine, or joins a cluster."""

    class Settings(BaseModel):
        """See docs/cluster.md."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        address: str | None = None
        cpus: Annotated[int, Field(ge=1, le=4096)] | None = None
        gpus: Annotated[int, Field(ge=0, le=1024)] | None = None
        draw: Resources = Resources()
        score: Resources = Resources()
        models: dict[str, Resources] = {}
        benchmarks: dict[str, Resources] = {}
        retries: Annotated[int, Field(ge=0, le=100)] = 2
        timeout: Annotated[float, Field(gt=0)] | None = None
        patience: Annotated[float, Field(gt=0)] = 300.0
        paths: dict[str, str] = {}

        def resources(self, queue: WorkQueue, *, has_gpus: bool) -> Resources:
            """What a worker of a queue needs: its own entry, or that of its kind."""
            if queue.stage == "draw":
                return self.models.get(queue.subject, self.draw).for_cluster(1.0 if has_gpus else 0.0)
            return self.benchmarks.get(queue.subject, self.score).for_cluster(0.25 if has_gpus else 0.0)

    requires: ClassVar[tuple[str, ...]] = ("ray",)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pool: Any = None
        self._started = False

    def check(self, sweep: Sweep) -> None:
        """A name that is none would silently have the resources of all others."""
        names = {"models": sweep.models.keys(), "benchmarks": {spec.plugin.name for spec in sweep.benchmarks}}
        for key, known in names.items():
            for name in getattr(self.settings, key):
                if name not in known:
                    raise ConfigError(f"executor 'ray': {key}: none is called {name!r}{did_you_mean(name, known)}")

    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        if all(queue.finished for queue in queues):
            return
        from ray.exceptions import RayError

        from evalharness.run.executors.ray.pool import Pool

        self._start()
        self._pool = Pool(self.settings, queues, own=self.settings.address is None)
        try:
            yield from self._pool.run()
        except RayError as error:
            raise EvalHarnessError(f"the Ray cluster is gone ({_first_line(error)}); run again to continue") from error
        finally:
            self._pool.stop()

    def workers(self) -> list[WorkerState]:
        return self._pool.states() if self._pool is not None else []

    def close(self) -> None:
        if self._started:
            import ray

            ray.shutdown()
            self._started = False

    def _start(self) -> None:
        """Nothing is reported to anybody, no dashboard; started here, Ray listens on this machine alone."""
        if self._started:
            return
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import ray
        from ray.exceptions import RayError

        for left in reversed(range(STARTS)):
            try:
                self._init(ray)
                self._started = True
                return
            except Exception as error:
                ray.shutdown()
                # A node that does not come up in time is a plain Exception of Ray's; subclasses of no use here go on.
                if type(error) is not Exception and not isinstance(error, (*TROUBLE, RayError)):
                    raise
                if isinstance(error, ValueError | ConnectionError) or not left:
                    chosen = self.settings.address
                    where = f"no Ray cluster at {chosen}" if chosen else "Ray does not start here"
                    raise EvalHarnessError(f"executor 'ray': {where}: {_first_line(error)}") from error

    def _init(self, ray: Any) -> None:
        chosen = self.settings
        common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "evalharness"}
        if chosen.address is not None:
            ray.init(address=chosen.address, **common)
            return
        local = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        with _on_loopback(), _own_handlers(), _whole_or_nothing():
            ray.init(address="local", num_cpus=chosen.cpus, num_gpus=chosen.gpus, **local, **common)


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Whoever reaches Ray's ports may run programs. Only for 127.0.0.1 itself does it bind them to that address, which
    ``ray.init`` would replace by one that a network can reach."""
    from ray._private import services

    resolve = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve


@contextlib.contextmanager
def _own_handlers() -> Iterator[None]:
    """Ray would end the process at a TERM before what is done is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _whole_or_nothing() -> Iterator[None]:
    """What a failed start has left Ray ends only with this process; it would be in the way of the next one."""
    import psutil

    this = psutil.Process()
    before = set(this.children(recursive=True))
    try:
        yield
    except BaseException:
        for left in set(this.children(recursive=True)) - before:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        raise


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
