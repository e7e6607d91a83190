"""Sweeps whose images an endpoint draws: faults, kills, budgets, and what is kept of the key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import image_server
import pytest
from image_server import REFUSAL, drawing, editing, form
from judge_server import Answer, Call, serving
from mock_sweeps import IN_PROCESS, Rows, reported
from PIL import Image

from evalharness._util.exit_codes import ExitCode
from evalharness.cli import sweep
from evalharness.store.store import Store

pytest.importorskip("openai", reason="the extra `images-api` is not installed")
pytest.importorskip("aiohttp", reason="the extra `images-api` is not installed")

KEY = "sk-planted-q7Vx0mTz4RkE9wLbXYZ"
ITEMS, CONCURRENCY, KILLS = 80, 8, (10, 30, 50)
"""The run is killed each time that so many images are in its store."""


def sweep_file(folder: Path, url: str, *, items: int = 12, benchmark: str = "", **settings: Any) -> Path:
    model = {"name": "images-api", "model": "painter-1", "base_url": url, "key_env": "IMAGES_KEY", "backoff": 0.02}
    prompts = json.dumps([f"thing {number}" for number in range(items)])
    path = folder / "ordered.yaml"
    path.write_text(
        "name: ordered\n"
        f"models: {{painter: {json.dumps(model | settings)}}}\n"
        f"benchmarks: [{benchmark or f'{{name: mock, samples: 1, prompts: {prompts}}}'}]\n"
        "arms: [{name: ordered, variant: single_pass}]\n" + IN_PROCESS
    )
    return path


def rows(folder: Path) -> Rows:
    return reported(folder / "r" / "x")


def run(file: Path) -> int:
    return sweep.main([str(file), "--out", str(file.parent / "r" / "x"), "--quiet"])


@pytest.fixture
def image_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGES_KEY", KEY)


@pytest.mark.usefixtures("image_key")
def test_refused_is_failed_and_never_zero(tmp_path: Path) -> None:
    def respond(call: Call) -> Answer:
        return Answer(REFUSAL, 400) if call.body["prompt"] == "thing 3" else drawing(call)

    with serving(respond) as (server, url):
        file = sweep_file(tmp_path, url)
        assert run(file) == ExitCode.INCOMPLETE
        assert run(file) == ExitCode.INCOMPLETE
    assert len(server.calls) == 12, "what is there is not ordered again, nor what was refused"
    samples = {row["item"]: row for row in rows(tmp_path)}
    assert samples["3"]["state"] == "failed"
    assert samples["3"]["score"] is None
    assert samples["3"]["reason"].startswith("refused: the endpoint answers 400: Your request was rejected")
    assert {row["state"] for item, row in samples.items() if item != "3"} == {"scored"}


@pytest.mark.usefixtures("image_key")
def test_an_address_that_changed_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warning = "warning: model 'painter' was at another address in an earlier run with this store"
    with serving(drawing) as (first, url), serving(drawing) as (second, other_url):
        for address in (url, url + "/"):
            assert run(sweep_file(tmp_path, address, items=2)) == 0
            assert warning not in capsys.readouterr().err
        assert run(sweep_file(tmp_path, other_url, items=3)) == 0
        assert warning in capsys.readouterr().err
        assert run(sweep_file(tmp_path, other_url, items=3, served_by="them")) == 0
        assert warning not in capsys.readouterr().err
        assert (len(first.calls), len(second.calls)) == (2, 1 + 3)
    stored = (tmp_path / "r" / "store" / "store.sqlite").read_bytes()
    assert url.encode() not in stored


@pytest.mark.usefixtures("image_key")
def test_a_spent_budget_leaves_the_rest_pending_and_counts_earlier_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(drawing) as (server, url):
        assert run(sweep_file(tmp_path, url, max_dollars=0.2, price_image=0.04)) == ExitCode.INCOMPLETE
        output = capsys.readouterr()
        assert "warning: painter: model painter-1 at" in output.err
        assert "the budget is spent, 0.2 of 0.2 dollars; raise it and run again to go on" in output.err
        assert Counter(row["state"] for row in rows(tmp_path)) == {"scored": 5, "pending": 7}
        assert run(sweep_file(tmp_path, url, max_dollars=0.3, price_image=0.04)) == ExitCode.INCOMPLETE
        assert "0.28 of 0.3 dollars, 5 calls of them in earlier runs" in capsys.readouterr().err
        assert len(server.calls) == 7
        assert run(sweep_file(tmp_path, url, price_image=0.04)) == 0
    assert len(server.calls) == 12
    assert {row["state"] for row in rows(tmp_path)} == {"scored"}


@pytest.mark.usefixtures("image_key")
def test_what_ends_a_run_is_one_line_and_what_came_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def respond(call: Call) -> Answer:
        if len(server.calls) <= 4:
            return drawing(call)
        end = time.monotonic() + 20
        while scored() < 4 and time.monotonic() < end:  # else scoring goes on, which is a line of its own
            time.sleep(0.05)
        return Answer({}, 401)

    def scored() -> int:
        with Store(tmp_path / "r" / "store", write=False) as store:
            count: int = store.database.connection.execute("SELECT count(*) FROM scores").fetchone()[0]
        return count

    with serving(respond) as (server, url):
        assert run(sweep_file(tmp_path, url, concurrency=1)) == 2
    assert scored() == 4
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the endpoint does not accept the key (401); check the key in the environment variable IMAGES_KEY" in error
    with Store(tmp_path / "r" / "store", write=False) as store:
        assert store.database.connection.execute("SELECT count(*) FROM trajectories").fetchone()[0] == 4


@pytest.mark.usefixtures("image_key")
def test_the_key_is_nowhere_in_what_is_written(tmp_path: Path) -> None:
    def respond(call: Call) -> Answer:
        if call.body["prompt"] == "thing 1":
            return Answer({"error": {"message": f"{call.headers['authorization']}?"}}, 413)
        return Answer(drawing(call, revised_prompt=f"with {call.headers['authorization']}").body)

    with serving(respond) as (_, url):
        assert run(sweep_file(tmp_path, url)) == ExitCode.INCOMPLETE
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in files)
    assert [path for path in files if KEY.encode()[:12] in path.read_bytes()] == []
    with Store(tmp_path / "r" / "store", write=False) as store:
        steps = [json.loads(row[0])[0] for row in store.database.connection.execute("SELECT steps FROM trajectories")]
    assert {step["text"] for step in steps} == {"with Bearer [key]"}


@pytest.mark.usefixtures("image_key")
def test_edits_of_pictures(tmp_path: Path) -> None:
    """A picture that cannot be read costs its own sample alone, and no call."""
    for name, color in (("a", (100, 0, 0)), ("b", (0, 100, 0))):
        Image.new("RGB", (6, 4), color).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"no image")
    edits = [{"prompt": f"invert {name}", "image": f"{name}.png"} for name in "cab"]
    (tmp_path / "edits.jsonl").write_text("".join(json.dumps(edit) + "\n" for edit in edits))
    benchmark = "{name: edits, prompts: edits.jsonl, judge: {name: mock, replies: ['Followed: 9\\nKept: 4']}}"
    with serving(editing) as (server, url):
        file = sweep_file(tmp_path, url, benchmark=benchmark)
        file.write_text(file.read_text().replace("variant: single_pass", "variant: edit").replace("'", '"'))
        assert run(file) == ExitCode.INCOMPLETE
    assert sorted(form(call)["prompt"] for call in server.calls) == [b"invert a", b"invert b"]
    samples = rows(tmp_path)
    assert Counter(row["state"] for row in samples) == {"scored": 2, "failed": 1}
    (failed,) = (row for row in samples if row["state"] == "failed")
    assert failed["reason"].startswith("unreadable image: c.png")


# --- a process of its own ---


@pytest.mark.slow
@pytest.mark.usefixtures("image_key")
def test_every_sample_ends_and_no_image_is_paid_for_twice(tmp_path: Path) -> None:
    log, store = tmp_path / "log.jsonl", tmp_path / "r" / "store"
    killed: list[tuple[int, set[str]]] = []
    with image_server.process("--faults", "7", "--log", str(log)) as url:
        file = sweep_file(tmp_path, url, items=ITEMS, concurrency=CONCURRENCY, timeout=1.0, retries=3)
        for number in KILLS:
            running = start(file)
            while len(kept(store)) < number:
                assert running.poll() is None, "it ended before it could be killed"
                time.sleep(0.02)
            running.kill()
            running.wait()
            time.sleep(0.3)  # what the endpoint has received it still answers
            killed.append((len(events(log)), kept(store)))
        assert start(file).wait(300) == ExitCode.INCOMPLETE
        calls, complete = len(events(log)), kept(store)
        assert start(file).wait(100) == ExitCode.INCOMPLETE
        asked = {event["prompt"] for event in events(log)[calls:] if event["event"] == "asked"}
        assert not asked & complete, "only what failed in passing was left to order"

    for lines, before in killed:
        again = {event["prompt"] for event in events(log)[lines:] if event["event"] == "asked"}
        assert not again & before, "what the store had was ordered again"
    samples = {f"thing {row['item']}": row for row in rows(tmp_path)}
    states = Counter(row["state"] for row in samples.values())
    assert states["scored"] + states["failed"] == ITEMS
    assert kept(store) == {prompt for prompt, row in samples.items() if row["state"] == "scored"}
    reasons = {prompt: row["reason"] for prompt, row in samples.items() if row["state"] == "failed"}
    refused = {prompt for prompt, reason in reasons.items() if reason.startswith("refused: ")}
    unusable = {prompt for prompt, reason in reasons.items() if reason.startswith("unusable image: ")}
    assert refused
    assert unusable
    assert all(reasons.values())
    paid, times = sent(log), calls_of(log)
    twice = sum(paid[prompt] - 1 for prompt in kept(store) | unusable)
    assert twice <= len(KILLS) * 2 * CONCURRENCY, "more was paid for twice than was in hand when it was killed"
    assert all(times[prompt] <= len(KILLS) + 1 for prompt in refused), "a refusal was tried again"


@pytest.mark.slow
def test_a_sweep_as_a_user_runs_it(tmp_path: Path) -> None:
    """The real benchmark with the embedded detector, and the real report."""
    benchmark = "{name: geneval, limit: 6, samples: 1}"
    with serving(lambda call: Answer(drawing(call, revised_prompt="rewritten by the endpoint").body)) as (server, url):
        file = sweep_file(tmp_path, url, benchmark=benchmark, extra_body={"size": "96x96"}, price_image=0.01)
        environment = {**os.environ, "IMAGES_KEY": KEY}
        command = [sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(tmp_path / "out"), "--quiet"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "6/6" in done.stdout
    assert (tmp_path / "out" / "index.html").is_file()
    assert {call.body["size"] for call in server.calls} == {"96x96"}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if KEY.encode()[:12] in path.read_bytes()] == []


def start(file: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(file.parent / "r" / "x"), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def sent(log: Path) -> Counter[str]:
    """Prompt → how often an image was sent, and so was paid."""
    return Counter(event["prompt"] for event in events(log) if event["event"] == "sent" and event["image"])


def calls_of(log: Path) -> Counter[str]:
    return Counter(event["prompt"] for event in events(log) if event["event"] == "asked")


def kept(store: Path) -> set[str]:
    """The prompts that have an image in the store."""
    if not (store / "store.sqlite").is_file():
        return set()
    with Store(store, write=False) as opened:
        return {row[0] for row in opened.database.connection.execute("SELECT prompt FROM trajectories")}
