"""What runs in a Ray actor: one worker, made from its spec, that answers batches. Only plain values come and go."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from evalharness.errors import EvalHarnessError

Plain = dict[str, Any]


class Host:
    """``paths``: where this machine may have what stands elsewhere on the driver's; ``threads``: for each computation.

    An error that no other batch would escape comes back as ``{"fatal": [kind, message]}``, as a value: to let it be
    raised would have Ray pickle it.
    """

    def __init__(self, worker_spec: Plain, paths: Mapping[str, str], threads: int) -> None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        self._plain = worker_spec | {"settings": _moved(worker_spec["settings"], paths)}

    def describe(self) -> Plain:
        """What it is, and where: the identity of the model or scorer, as this machine has it."""
        from evalharness._util import environment

        try:
            identity = dict(self._worker_spec.identity())
        except (EvalHarnessError, ImportError) as error:
            return _fatal(error)
        return {"identity": identity, "versions": environment.versions(), "gpus": _gpus()}

    def work(self, batch: Plain) -> Plain:
        """A batch's outcomes and the seconds that it took."""
        from evalharness.api.executor import isolate
        from evalharness.run.executors.ray import wire

        start = time.perf_counter()
        try:
            outcomes = isolate(self._worker, wire.unpack_jobs(batch))
        except (EvalHarnessError, ImportError) as error:
            return _fatal(error)
        return {"outcomes": [wire.pack_outcome(one) for one in outcomes], "seconds": time.perf_counter() - start}

    @cached_property
    def _worker_spec(self) -> Any:
        from evalharness.run.workers import PluginWorkerSpec

        return PluginWorkerSpec.from_json(self._plain)

    @cached_property
    def _worker(self) -> Any:
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        return self._worker_spec.worker()


def _gpus() -> list[str]:
    ray = sys.modules.get("ray")
    return list(ray.get_runtime_context().get_accelerator_ids().get("GPU", ())) if ray else []


def _fatal(error: Exception) -> Plain:
    return {"fatal": [type(error).__name__, str(error)]}


def _moved(value: Any, paths: Mapping[str, str]) -> Any:
    """Settings with their paths as this machine has them: where it has its own copy, that."""
    if isinstance(value, dict):
        return {key: _moved(inner, paths) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, paths) for inner in value]
    if isinstance(value, str):
        for there, here in paths.items():
            if value == there or value.startswith(there.rstrip("/") + "/"):
                own = os.path.expandvars(here).rstrip("/") + value[len(there.rstrip("/")) :]
                return own if Path(own).exists() else value
    return value
