"""A judge behind an endpoint with a fixed latency and so many places, against a thread pool with a connection a call.

The endpoint can answer places / latency calls a second; calls beyond its places wait there. The endpoint, the judge and
whatever else runs share the machine, so the best of a few runs counts, which others disturb least.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import judge_server
import pytest

from evalharness.api.judge import JudgePrompt
from evalharness.judges.openai import OpenAI
from evalharness.types.reply import Reply

CALLS, LATENCY, PLACES, RUNS = 1000, 0.5, 64, 3
MOST = PLACES / LATENCY
PNG = 5_000
"""Bytes, as of the miniature's images."""
LARGE_PNG = 1_500_000
"""As of a photograph of 1024 × 1024 pixels."""

pytestmark = pytest.mark.perf


def prompts(size: int, count: int) -> Iterator[tuple[int, JudgePrompt]]:
    url = "data:image/png;base64," + base64.b64encode(os.urandom(size)).decode()
    for number in range(count):
        content = [{"type": "text", "text": f"{number} {'?' * 2000}"}, {"type": "image_url", "image_url": {"url": url}}]
        yield number, JudgePrompt([{"role": "user", "content": content}], "image", "rubric", 20)


def by_judge(url: str, size: int, concurrency: int, count: int = CALLS) -> tuple[float, float]:
    """Calls a second, and milliseconds of processor time a call."""
    judge = OpenAI(OpenAI.Settings(model="m", base_url=url, concurrency=concurrency))
    todo = list(prompts(size, count))
    start, busy = time.perf_counter(), time.process_time()
    replies = [reply for _, reply in judge.ask(todo)]
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    assert sum(isinstance(reply, Reply) and reply.text == "Score: 1" for reply in replies) == count
    return count / seconds, 1000 * busy / count


def by_threads(url: str, size: int, threads: int) -> float:
    """Calls a second of the leanest program that opens a connection a call."""
    settings, host = OpenAI.Settings(model="m"), urlsplit(url).netloc
    todo = [prompt for _, prompt in prompts(size, CALLS)]

    def call(prompt: JudgePrompt) -> None:
        connection = http.client.HTTPConnection(host, timeout=60)
        body = json.dumps(settings.body(prompt))
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["choices"]
        connection.close()

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(call, todo))
    return CALLS / (time.perf_counter() - start)


def test_the_judge_keeps_the_places_busy() -> None:
    best, lines = 0.0, []
    with judge_server.process("--latency", str(LATENCY), "--places", str(PLACES)) as url:
        by_judge(url, PNG, 1, 1)  # the client is imported
        for _ in range(RUNS):
            rate, busy = by_judge(url, PNG, 2 * PLACES)
            best = max(best, rate)
            lines.append(
                f"{rate:.1f} calls/s, {rate / MOST:.1%} of {MOST:.0f} ({busy:.1f} ms of processor time a call)"
            )
            if best >= 0.95 * MOST:
                break
        as_many, _ = by_judge(url, PNG, PLACES)
        lines.append(f"{as_many:.1f} calls/s, {as_many / MOST:.1%}, with no more calls at once than places")
        threads = by_threads(url, PNG, 2 * PLACES)
        lines.append(
            f"{threads:.1f} calls/s by as many threads, a connection a call: {best / threads:.2f} times as fast"
        )
        large, busy = by_judge(url, LARGE_PNG, 2 * PLACES, 200)
        lines.append(f"{large:.1f} calls/s with images of 1.5 MB ({busy:.1f} ms of processor time a call)")
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    print(f"\n{CALLS} calls, {PLACES} places, {LATENCY} s, {load}:", *lines, sep="\n  ")  # noqa: T201 - what this is for
    assert best >= 0.95 * MOST, lines[0]
