"""Starts Ray on this machine, or joins a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from evalharness.errors import EvalHarnessError
from evalharness.execution.executors.ray.settings import RaySettings

ATTEMPTS = 3
"""Number of attempts to start Ray on this machine before the run gives up."""
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a worker without a GPU sees none
}
"""Environment of Ray's processes, unless the user set these variables."""
START_ERRORS = (OSError, RuntimeError, ValueError)
"""Exceptions that ``ray.init`` raises if it cannot start, besides Ray's own errors."""


def start(settings: RaySettings) -> None:
    """Start Ray, or connect to the cluster at ``settings.address``.

    Ray reports nothing to anybody and has no dashboard. Started here, it listens on the loopback interface only.

    Raises:
        EvalHarnessError: there is no cluster at the address, or Ray does not start.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray
    from ray.exceptions import RayError

    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            _init(ray, settings)
            return
        except Exception as error:
            ray.shutdown()
            # Ray raises a plain Exception if a node does not come up in time; any other subclass is no start error.
            if type(error) is not Exception and not isinstance(error, (*START_ERRORS, RayError)):
                raise
            if isinstance(error, ValueError | ConnectionError) or not attempts_left:
                address = settings.address
                problem = f"no Ray cluster at {address}" if address else "Ray does not start here"
                raise EvalHarnessError(f"executor 'ray': {problem}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


def _init(ray: Any, settings: RaySettings) -> None:
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "evalharness"}
    if settings.address is not None:
        with _kept_signal_handler():
            ray.init(address=settings.address, **common)
        return
    loopback = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    with _bound_to_loopback(), _kept_signal_handler(), _no_leftover_processes():
        ray.init(address="local", num_cpus=settings.cpus, num_gpus=settings.gpus, **loopback, **common)


@contextlib.contextmanager
def _bound_to_loopback() -> Iterator[None]:
    """Keep Ray's ports on 127.0.0.1, because anybody who reaches them can run programs.

    ``ray.init`` would replace that address by one that a network can reach.
    """
    from ray._private import services

    resolve = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve


@contextlib.contextmanager
def _kept_signal_handler() -> Iterator[None]:
    """Restore the SIGTERM handler: Ray's would end the process before finished work is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _no_leftover_processes() -> Iterator[None]:
    """Kill what a failed start leaves running; it would get in the way of the next attempt."""
    import psutil

    this = psutil.Process()
    before = set(this.children(recursive=True))
    try:
        yield
    except BaseException:
        for process in set(this.children(recursive=True)) - before:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        raise
