"""``evalharness view RUN``: serves a page that shows a run while it goes on; see docs/view.md."""

from __future__ import annotations

import argparse
import ipaddress
from pathlib import Path

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.guard import TerminatedError
from evalharness.cli.listening import add_address_arguments, address, listen
from evalharness.cli.options import add_selection_arguments, size_of

PORT = 8090


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a run's report, or its sweep file")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: the run's usual store)")
    add_selection_arguments(parser)
    add_address_arguments(parser, PORT)


def run(options: argparse.Namespace) -> int:
    """Serve until the process is told to stop; returns the exit code."""
    from evalharness.live.page import render
    from evalharness.live.server import Viewer
    from evalharness.live.watch import RunWatch

    watch = RunWatch(options.run, options.store, size_of(options))
    watch.state()  # so that the page is quick
    name = watch.name
    with listen(options.host, options.port) as listening:
        console.write(f"{name} at {address(listening)}/ (Ctrl-C ends this, not the run)")
        if not _is_loopback(listening.getsockname()[0]):
            console.write_error(
                "evalharness: warning: whoever can reach this address sees the run; there is no password"
            )
        with Viewer(listening, options.host, watch, render(name)) as viewer:
            try:
                viewer.serve_forever()
            except TerminatedError:
                return ExitCode.TERMINATED
            except KeyboardInterrupt:
                return ExitCode.COMPLETE
    return ExitCode.COMPLETE


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback
