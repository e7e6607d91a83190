"""``evalharness serve`` as a process: one that is told to stop, one that is killed, one that cannot begin."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import httpx2 as httpx
import pytest
from score_service import descendants, encoded, picture, process
from waiting import until

import evalharness as eh
from evalharness.cli import main

pytest.importorskip("fastapi")

IMAGES = [{"image": encoded(picture(color)), "prompt": "thing 3"} for color in ("red", "blue")]


def scores(address: str) -> list[float]:
    with httpx.Client(trust_env=False, timeout=120) as client:
        answer = client.post(f"{address}/score", json={"images": IMAGES})
        answer.raise_for_status()
        return [result["score"] for result in answer.json()["results"]]


def test_killed_workers_are_replaced_and_a_killed_server_leaves_none_and_scores_the_same_again() -> None:
    with process("mock", "--workers", "1") as (server, address):
        assert scores(address) == [1, 0]
        (worker,) = descendants(server.pid)
        os.kill(worker, signal.SIGKILL)
        assert scores(address) == [1, 0]
        (worker,) = descendants(server.pid)
        server.kill()
        server.wait()
        until("the worker ends, too", lambda: not Path(f"/proc/{worker}").exists())
        with pytest.raises(httpx.TransportError):
            scores(address)
    with process("mock") as (_, address):
        assert scores(address) == [1, 0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_server_that_is_told_to_stop_does(number: signal.Signals, code: int) -> None:
    with process("mock") as (server, address):
        assert scores(address) == [1, 0]
        server.send_signal(number)
        assert server.wait(60) == code
        assert server.stderr is not None
        assert server.stderr.read().startswith("evalharness: interrupted")


def test_settings_and_identity_are_those_of_a_sweep_file(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(
        "name: tiny\nmodel: mock\nbenchmarks:\n  - {name: mock, alias: mine, prompts: [a b]}\n"
        "arms:\n  - {name: single, variant: single_pass}\n"
    )
    with process("mine", "--sweep", str(file)) as (_, address), httpx.Client(trust_env=False, timeout=120) as client:
        about = client.get(f"{address}/identity").json()
        answer = client.post(f"{address}/score", json={"images": [{"image": encoded(picture()), "prompt": "a b"}]})
        assert answer.json()["results"][0]["score"] == 1
    planned = eh.plan(file).benchmarks["mine"]
    assert about["identity"] == planned.scorer_digest
    assert about["scorer"] == dict(planned.scorer)


def test_a_server_that_cannot_begin_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main.main(["serve", "mock", "--port", port]) == 2
        assert capsys.readouterr().err.startswith(f"evalharness: cannot listen on 127.0.0.1:{port}: ")
    file = tmp_path / "tiny.yaml"
    file.write_text("name: tiny\nmodel: mock\nbenchmarks: [mock]\narms:\n  - {name: single, variant: single_pass}\n")
    assert main.main(["serve", "mocc", "--sweep", str(file)]) == 2
    assert "has no benchmark 'mocc'; did you mean 'mock'?" in capsys.readouterr().err
    assert main.main(["serve", "mocc"]) == 2
    assert "mocc" in capsys.readouterr().err
