"""A run through an endpoint that breaks more than half of its calls, killed on the way: no reply is paid for twice.

What a ``kill -9`` can lose is what was in hand: calls that the endpoint was still working on, and replies that had come
but were not yet written. These are asked again. Whatever the store has is not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import judge_server
import pytest

from evalharness._util.exit_codes import ExitCode
from evalharness.config import sweep_files
from evalharness.planning.planner import make_plan
from evalharness.store.states import SampleState, sample_states
from evalharness.store.store import Store

ITEMS, CONCURRENCY, KILLS = 200, 16, (20, 70, 120)
"""The run is killed each time that so many replies are in its store."""


@pytest.mark.slow
def test_every_sample_ends_and_no_reply_is_paid_for_twice(judged: Callable[..., Path], tmp_path: Path) -> None:
    log, store = tmp_path / "log.jsonl", tmp_path / "r" / "store"
    kept_at: list[tuple[int, set[str]]] = []
    lost = 0
    with judge_server.process("--faults", "7", "--latency", "0.05", "--log", str(log)) as url:
        settings = {"concurrency": CONCURRENCY, "timeout": 3.0, "retries": 3, "backoff": 0.05, "key_env": "JUDGE_KEY"}
        file = judged(json.dumps({"name": "openai", "model": "m", "base_url": url, **settings}), ITEMS)
        for number in KILLS:
            run = _start(file)
            while len(_replied(file, store)) < number:
                assert run.poll() is None, "it ended before it could be killed"
                time.sleep(0.02)
            run.kill()
            run.wait()
            time.sleep(0.5)  # what the endpoint has received it still answers
            kept_at.append((len(_events(log)), _replied(file, store)))
            lost, before = sum(_sent(_events(log)).values()) - len(kept_at[-1][1]), lost
            assert lost - before <= 2 * CONCURRENCY, "more was lost than was in hand"
        assert _start(file).wait(500) == ExitCode.INCOMPLETE
        events, sent = _events(log), _sent(_events(log))
        samples, replied = _standings(file, store), _replied(file, store)
        assert _start(file).wait(100) in (ExitCode.COMPLETE, ExitCode.INCOMPLETE)
        asked = {event["question"] for event in _events(log)[len(events) :] if event["event"] == "asked"}
        assert not asked & replied, "only what failed in passing was left to ask"

    for lines, kept in kept_at:
        again = {event["question"] for event in events[lines:] if event["event"] == "asked"}
        assert not again & kept, "what the store had was asked again"
    states = Counter(sample.state for sample in samples)
    assert states["scored"] + states["failed"] == ITEMS
    assert states["failed"], "four tries are too few for some"
    assert all(sample.failure for sample in samples if sample.state == "failed")
    assert len(replied) == states["scored"]
    assert sum(sent.values()) - states["scored"] == lost, "a reply was paid for twice without a kill"
    calls = sum(event["event"] == "asked" for event in events)
    summary = f"{calls} calls for {ITEMS} samples: {dict(states)}; {lost} replies lost in {len(KILLS)} kills"
    print(f"\n{summary}, at most {CONCURRENCY} calls at once")  # noqa: T201 - what a reader wants to know


def _start(file: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(file.parent / "r" / "x"), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def _sent(events: list[dict[str, Any]]) -> Counter[str]:
    """Question → how often the endpoint sent a reply to it, and so was paid."""
    return Counter(event["question"] for event in events if event["event"] == "sent" and event["reply"])


def _standings(file: Path, store: Path) -> list[SampleState]:
    if not (store / "store.sqlite").is_file():
        return []
    with Store(store, write=False) as opened:
        return sample_states(make_plan(sweep_files.load(file)), opened)


def _replied(file: Path, store: Path) -> set[str]:
    """The questions to which the store has a reply."""
    images = {sample.image: sample.sample.item.prompt for sample in _standings(file, store) if sample.image is not None}
    if not images:
        return set()
    with Store(store, write=False) as opened:
        return {images[reply.image] for reply in opened.replies.about(images)}
