"""A scoring service on 127.0.0.1, in a thread of this process or as a process of its own."""

from __future__ import annotations

import base64
import contextlib
import io
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import uvicorn
from PIL import Image
from waiting import until

from evalharness.api import registry
from evalharness.config.schema import PluginSpec
from evalharness.service.app import Limits, application
from evalharness.service.scoring import ScoringService


@dataclass(frozen=True)
class Serving:
    """A service and a client of it."""

    service: ScoringService
    client: httpx.Client


@contextlib.contextmanager
def serving(
    benchmark: str = "mock", settings: Mapping[str, Any] | None = None, *, started: bool = True, **limits: Any
) -> Iterator[Serving]:
    """Serve in a thread. A service that is not ``started`` takes images and scores none of them."""
    room = limits.pop("room", 1024)
    plugin = PluginSpec("benchmarks", benchmark, registry.load("benchmarks", benchmark).Settings(**settings or {}))
    service = ScoringService(plugin, workers=1, room=room)
    server = uvicorn.Server(uvicorn.Config(application(service, Limits(**limits)), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    if started:
        service.start()
    thread.start()
    until("the server listens", lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client:
            yield Serving(service, client)
    finally:
        server.should_exit = True
        thread.join()
        service.close()


@contextlib.contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``evalharness serve`` as a process; gives it and its address."""
    command = [sys.executable, "-m", "evalharness.cli.main", "serve", *options, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.search(r"http://\S+(?=,)", line)
            assert found is not None, (line, server.stderr.read() if server.stderr else "")
            yield server, found[0]
        finally:
            server.kill()


def picture(color: str | tuple[int, ...] = "red", form: str = "PNG", mode: str = "RGB") -> bytes:
    """An image file of one colour."""
    buffer = io.BytesIO()
    Image.new(mode, (8, 8), color).save(buffer, form, **({"quality": 100} if form == "JPEG" else {}))
    return buffer.getvalue()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def descendants(pid: int) -> list[int]:
    """Process ids of the children of a process."""
    return [int(number) for path in Path(f"/proc/{pid}/task").glob("*/children") for number in path.read_text().split()]
