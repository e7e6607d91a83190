"""The page of a run in progress, served on a free port by a thread of this process."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from evalharness.live.page import render
from evalharness.live.server import Viewer
from evalharness.live.watch import RunWatch


@dataclass(frozen=True)
class Viewing:
    """A server that listens on ``port``."""

    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> tuple[HTTPResponse, bytes]:
        """The answer to a request, of which nothing is changed on the way."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=headers is not None)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return response, response.read()

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        state: dict[str, Any] = json.loads(self.ask("/state.json")[1])
        return state


@contextlib.contextmanager
def viewing(run: Path, host: str = "127.0.0.1") -> Iterator[Viewing]:
    """Serve a run until the block ends."""
    watch = RunWatch(str(run))
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        Viewer(listening, host, watch, render(watch.name)) as viewer,
    ):
        thread = threading.Thread(target=viewer.serve_forever, daemon=True)
        thread.start()
        try:
            yield Viewing(listening.getsockname()[1])
        finally:
            viewer.shutdown()
            thread.join()
