"""An endpoint that speaks OpenAI's chat completions on 127.0.0.1, with a latency, places, and faults on request.

``serving(respond)`` runs one in a thread, for tests that want to say what it answers. As a script it is a process of
its own, which a test may load or outlive: ``python judge_server.py --help``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email.utils
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

REASONS = {200: "OK", 429: "Too Many Requests"}


@dataclass
class Call:
    """A request: ``nth`` counts those with the same body, from 0."""

    method: str
    path: str
    headers: dict[str, str]
    data: bytes
    nth: int

    @cached_property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.data or b"{}"))

    @cached_property
    def text(self) -> str:
        """All words of the messages."""
        contents = [message["content"] for message in self.body.get("messages", [])]
        parts = [part for content in contents for part in ([content] if isinstance(content, str) else content)]
        return " ".join(part if isinstance(part, str) else part["text"] for part in parts if "image_url" not in part)


@dataclass
class Answer:
    """What is sent, after ``delay`` seconds. ``hang``: nothing is, ever. ``cut``: the connection closes instead.

    ``together``: nothing is sent before so many calls were there at once, however long that takes a busy machine.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang: bool = False
    cut: bool = False
    together: int = 0

    def encoded(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"content-type": "application/json", **self.headers, "content-length": str(len(body))}
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'X')}", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


def completion(text: str | None, *, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "judge-1",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"content": text, **message}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
    }


def error(message: str, **more: Any) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"message": message, **more}}


Respond = Callable[[Call], Answer]


class Server:
    """``places``: so many calls are worked on at once, the others wait. ``served`` are the calls answered in full."""

    def __init__(
        self, respond: Respond, places: int = 1000, served: Callable[[Call, Answer], None] | None = None
    ) -> None:
        self.respond, self.served = respond, served
        self.calls: list[Call] = []
        self.connections = self.at_once = self.most_at_once = 0
        self._seen: Counter[str] = Counter()
        self._places = places

    async def start(self) -> str:
        """Returns the base URL."""
        self._free = asyncio.Semaphore(self._places)
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024, limit=2**22)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        data = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = first.split(" ")
        self._seen[key] = nth = self._seen[key := f"{target} {hash(data)}"] + 1
        call = Call(method, target, headers, data, nth - 1)
        self.calls.append(call)
        async with self._free:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                answer = self.respond(call)
                await asyncio.sleep(3600 if answer.hang else answer.delay)
                while self.most_at_once < answer.together:
                    await asyncio.sleep(0.01)
            finally:
                self.at_once -= 1
        if answer.cut:
            return False
        writer.write(answer.encoded())
        await writer.drain()
        if self.served:
            self.served(call, answer)
        return True


@contextlib.contextmanager
def serving(respond: Respond, places: int = 1000) -> Iterator[tuple[Server, str]]:
    """A server in a thread of this process, and its base URL."""
    server, loop = Server(respond, places), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server, asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def serve_forever(server: Server) -> None:
    """The base URL on standard output, for :func:`process`, and then answers until it is killed."""
    sys.stdout.write(await server.start() + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@contextlib.contextmanager
def process(*options: str) -> Iterator[str]:
    """This file as a program; yields the base URL."""
    command = [sys.executable, __file__, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running.stdout.readline().strip()
        finally:
            running.kill()


def faulty(seed: int, latency: float) -> Respond:
    """429 to a third of the calls, 500 to a tenth, garbage to a tenth; one in fifty hangs.

    Which, is decided by the question and how often it was asked, not by the moment.
    """

    def respond(call: Call) -> Answer:
        chance = random.Random(f"{seed} {call.text} {call.nth}")
        what, how = chance.random(), chance.randrange(2)
        if what < 1 / 3:
            date = email.utils.formatdate(time.time() + 1, usegmt=True)
            return Answer(error("too many"), 429, {"retry-after": "0.1" if how else date})
        if what < 1 / 3 + 1 / 10:
            return Answer(error("broken"), 500)
        if what < 1 / 3 + 2 / 10:
            return Answer(b"<html>busy</html>", delay=latency) if how else Answer({"id": "x", "choices": []})
        if what < 1 / 3 + 2 / 10 + 1 / 50:
            return Answer(hang=True)
        return Answer(completion(f"Score: {chance.randrange(2)}"), delay=latency)

    return respond


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--places", type=int, default=64)
    parser.add_argument("--faults", type=int, metavar="SEED", help="break some of the calls")
    parser.add_argument("--log", type=Path, help="a line for each reply that was sent whole, and for each call")
    options = parser.parse_args()
    plain = Answer(completion("Score: 1"), delay=options.latency)
    respond = (lambda call: plain) if options.faults is None else faulty(options.faults, options.latency)
    asyncio.run(_serve(respond, options))


async def _serve(respond: Respond, options: argparse.Namespace) -> None:
    def log(event: str, call: Call, answer: Answer) -> None:
        if options.log is None:
            return
        reply = isinstance(answer.body, dict) and bool(answer.body.get("choices"))
        with options.log.open("a") as file:
            file.write(json.dumps({"event": event, "question": call.text, "reply": reply}) + "\n")

    def logged(call: Call) -> Answer:
        answer = respond(call)
        log("asked", call, answer)
        return answer

    await serve_forever(Server(logged, options.places, lambda call, answer: log("sent", call, answer)))


if __name__ == "__main__":
    main()
