"""Serves the page of a run in progress. It answers ``GET`` and ``HEAD`` alone, and only names of this machine."""

from __future__ import annotations

import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from evalharness.live.hosts import is_allowed
from evalharness.live.page import Page, style_sheet
from evalharness.live.watch import RunWatch
from evalharness.report.json_values import compact_json

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
    ".parquet": "application/octet-stream",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
REPORT_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For a report, which has a stricter policy of its own, but may come from elsewhere: it can send nothing anywhere."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
UNCHANGING = "private, max-age=31536000, immutable"


class Viewer(ThreadingHTTPServer):
    """Serves until it is shut down.

    Args:
        listening: a socket that listens.
        host: the address or name that it was asked to listen on.
        watch: the run.
        page: its page.
    """

    daemon_threads = True

    def __init__(self, listening: socket.socket, host: str, watch: RunWatch, page: Page) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.host, self.watch, self.page = listening, host, watch, page

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that go away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Viewer
    server_version, sys_version = "evalharness", ""
    timeout = 60

    def do_GET(self) -> None:
        if not is_allowed(self.headers.get("Host"), self.server.host):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this server answers to names of this machine alone")
            return
        path = urlsplit(self.path).path
        area, _, name = path.removeprefix("/").partition("/")
        if path == "/":
            page = self.server.page
            self._answer(page.text.encode("utf-8", "replace"), ".html", policy=page.policy)
        elif path == "/favicon.ico":  # browsers ask for it; there is none
            self._send(HTTPStatus.NO_CONTENT, b"", {})
        elif path == "/state.json":
            self._answer(compact_json(self.server.watch.state()).encode(), ".json")
        elif area == "assets":
            self._answer(style_sheet(name), ".css")
        elif area == "images":
            self._answer(self.server.watch.image(name.removesuffix(".png")), ".png", cache=UNCHANGING)
        elif area == "report":
            name = unquote(name)
            suffix = PurePosixPath(name).suffix
            data = self.server.watch.report_file(name) if suffix in TYPES else None
            self._answer(data, suffix, policy=REPORT_POLICY, cache="no-cache")
        else:
            self._answer(None, "")

    do_HEAD = do_GET  # noqa: N815 - the same

    def _answer(
        self, data: bytes | None, suffix: str, *, policy: str = "default-src 'none'", cache: str = "no-store"
    ) -> None:
        if data is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        headers = {"Content-Type": TYPES[suffix], "Content-Security-Policy": policy, "Cache-Control": cache}
        self._send(HTTPStatus.OK, data, headers)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._send(
            status, f"{text}\n".encode(), {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        )

    def _send(self, status: HTTPStatus, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests."""
