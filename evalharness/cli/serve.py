"""``evalharness serve``: a benchmark's scorer behind HTTP, for trainings that ask for rewards; see docs/service.md."""

from __future__ import annotations

import argparse
import asyncio
import socket
from functools import partial
from pathlib import Path
from typing import Any

from evalharness._util import console
from evalharness.cli.listening import add_address_arguments, address, listen
from evalharness.cli.options import positive
from evalharness.config import overrides, sweep_files, yaml
from evalharness.config.schema import PluginSpec
from evalharness.errors import ConfigError, EvalHarnessError, PluginError, did_you_mean

PORT = 8080
GRACE = 30
"""Seconds that requests may take to end once the service is told to stop."""
POLL = 0.2
"""Seconds between looks at whether the service has failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmark", metavar="BENCHMARK", help="a benchmark, or with --sweep its name in the file")
    parser.add_argument("--sweep", metavar="FILE", help="take the benchmark's settings from this sweep file")
    prompts_help = "look prompts up in this file instead of the benchmark's own, in the same format"
    parser.add_argument("--prompts", type=Path, metavar="FILE", help=prompts_help)
    add_address_arguments(parser, PORT)
    workers_help = "maximum number of scoring processes (default: one per GPU, or per processor without a GPU)"
    parser.add_argument("--workers", type=positive, metavar="N", help=workers_help)
    parser.add_argument(
        "--room", type=positive, default=1024, metavar="N", help="maximum of waiting images (default: 1024)"
    )
    most_help = "maximum number of images in one request (default: 1000)"
    parser.add_argument("--most-images", type=positive, default=1000, metavar="N", help=most_help)
    overrides.add_scorer_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until the process is told to stop; returns the exit code."""
    try:
        import uvicorn

        from evalharness.service.app import Limits, application
        from evalharness.service.scoring import ScoringService
    except ImportError as error:
        raise PluginError(f"{error.name} is not installed: pip install 'evalharness[serve]'") from None
    plugin = _plugin(options)
    listening = listen(options.host, options.port)
    with listening:
        service = ScoringService(plugin, workers=options.workers, room=options.room)
        app = application(service, Limits(images=options.most_images))
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE)
        console.write(f"{options.benchmark} at {address(listening)}, identity {service.identity_digest}")
        service.start()
        service.warm_up()
        try:
            asyncio.run(_serve(uvicorn.Server(config), listening, service))
        finally:
            service.close()
    raise EvalHarnessError(service.failure)


async def _serve(server: Any, listening: socket.socket, service: Any) -> None:
    """Serve until the service fails, or a signal arrives, which is raised again when the last request has ended."""
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not serving.done():
        await asyncio.wait([serving], timeout=POLL)
        if service.failure:
            server.should_exit = True
    await serving


def _plugin(options: argparse.Namespace) -> PluginSpec:
    """The benchmark with its settings: those of the sweep file, or its defaults; then those of the options."""
    override = partial(overrides.overridden, options)
    if options.sweep is None:
        entry: dict[str, Any] = {"name": options.benchmark}
        if options.prompts is not None:
            entry["prompts"] = str(options.prompts.absolute())
        arms = [{"name": "single-pass", "variant": "single_pass"}]
        data = {"name": "serve", "model": "mock", "benchmarks": [entry], "arms": arms}
        return sweep_files.parse(yaml.Document(Path("options"), data), override).benchmarks[0].plugin
    if options.prompts is not None:
        raise ConfigError("--prompts: with --sweep the file says which prompts there are")
    benchmarks = {spec.name: spec.plugin for spec in sweep_files.load(options.sweep, override).benchmarks}
    if options.benchmark not in benchmarks:
        meant = did_you_mean(options.benchmark, list(benchmarks))
        raise ConfigError(f"{options.sweep} has no benchmark {options.benchmark!r}{meant}")
    return benchmarks[options.benchmark]
