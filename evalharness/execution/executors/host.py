"""Holds a worker in a process of its own. It is made from its spec, and exchanges only packed, plain values."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from evalharness.errors import EvalHarnessError

Plain = dict[str, Any]


class WorkerHost:
    """Holds the worker of one queue; runs in a Ray actor or in a child process of the executor ``local``.

    An error that ends the run comes back as ``{"fatal": [kind, message]}``, as a value: if it were raised, Ray would
    pickle it.

    Args:
        spec: The worker's spec as JSON.
        paths: A path on the driver's machine → where this machine may have its own copy.
        threads: Threads of each computation on the processor.
        keep: Takes the packed steps of a batch that is being worked on, by the key of their job.
    """

    def __init__(
        self, spec: Plain, paths: Mapping[str, str], threads: int, keep: Callable[[Plain], None] | None = None
    ) -> None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        self._threads, self._keep = threads, keep
        self.spec = spec | {"settings": _replace_paths(spec["settings"], paths)}

    def describe(self) -> Plain:
        """Check that the model or scorer is the one of the plan; return versions and the device that it runs on."""
        from evalharness._util import environment
        from evalharness.execution.executors import wire

        try:
            self._worker_spec.check()
        except (EvalHarnessError, ImportError) as error:
            return wire.pack_error(error)
        return {"versions": environment.versions(), "gpus": _ray_gpus(), "pid": os.getpid()}

    def load(self) -> Plain:
        """Load what the worker needs, if it can without a batch; returns whether it did."""
        from evalharness.execution.executors import wire

        try:
            return {"loaded": self._worker.load()}
        except (EvalHarnessError, ImportError) as error:
            return wire.pack_error(error)
        except Exception:  # noqa: BLE001 - the first batch raises it again, where it is counted
            return {"loaded": True}

    def work(self, batch: Plain) -> Plain:
        """Work on a batch; returns the outcomes and the seconds that it took."""
        from evalharness.api.executor import isolate
        from evalharness.execution.executors import wire

        start = time.perf_counter()
        try:
            outcomes = isolate(self._worker, wire.unpack_jobs(batch))
        except (EvalHarnessError, ImportError) as error:
            return wire.pack_error(error)
        packed = [wire.pack_outcome(outcome) for outcome in outcomes]
        return {"outcomes": packed, "seconds": time.perf_counter() - start}

    @cached_property
    def _worker_spec(self) -> Any:
        from evalharness.execution.workers import PluginWorkerSpec

        return PluginWorkerSpec.from_json(self.spec)

    @cached_property
    def _worker(self) -> Any:
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(self._threads)
        return self._worker_spec.worker(None if self._keep is None else self._keep_packed)

    def _keep_packed(self, partial: Mapping[str, Any]) -> None:
        from evalharness.execution.executors import wire

        assert self._keep is not None
        self._keep({key: wire.pack_partial(trajectory) for key, trajectory in partial.items()})


def _ray_gpus() -> list[str]:
    ray = sys.modules.get("ray")
    return list(ray.get_runtime_context().get_accelerator_ids().get("GPU", ())) if ray else []


def _replace_paths(value: Any, paths: Mapping[str, str]) -> Any:
    """Replace paths in settings by this machine's own copies, if these exist."""
    if isinstance(value, dict):
        return {key: _replace_paths(inner, paths) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replace_paths(inner, paths) for inner in value]
    if isinstance(value, str):
        for shared, local in paths.items():
            root = shared.rstrip("/")
            if value == shared or value.startswith(root + "/"):
                copy = os.path.expandvars(local).rstrip("/") + value[len(root) :]
                return copy if Path(copy).exists() else value
    return value
