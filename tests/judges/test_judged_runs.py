"""A whole run with a judge: what it keeps, what it says, and what it never tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from judge_server import Answer, Call, completion, error, serving
from mock_sweeps import IN_PROCESS, SWEEP, draw_and_score, reported
from PIL import Image

from evalharness._util.exit_codes import ExitCode
from evalharness.cli import main, sweep
from evalharness.store.store import Store

Write = Callable[..., Path]
SCRIPT = [sys.executable, "-m", "evalharness.sweep"]


def openai(url: str, **more: object) -> str:
    return json.dumps(
        {"name": "openai", "model": "judge-1", "base_url": url, "key_env": "JUDGE_KEY", "backoff": 0.01, **more}
    )


@pytest.fixture
def judged_by_rubric(tmp_path: Path) -> Write:
    """A function that writes a sweep file of three edits, which a judge scores by a rubric."""
    Image.new("RGB", (6, 4), (100, 0, 0)).save(tmp_path / "a.png")
    edits = [{"prompt": f"make it {word}", "image": "a.png"} for word in ("brighter", "darker", "smaller")]
    (tmp_path / "edits.jsonl").write_text("\n".join(map(json.dumps, edits)))

    def write(judge: str) -> Path:
        path = tmp_path / "edits.yaml"
        benchmark = f"{{name: edits, prompts: edits.jsonl, judge: {judge}}}"
        path.write_text(
            f"name: edits\nmodel: mock\nbenchmarks:\n  - {benchmark}\narms:\n  - {{name: s, variant: single_pass}}\n"
            + IN_PROCESS
        )
        return path

    return write


def states(out: Path) -> Counter[str]:
    return Counter(row["state"] for row in reported(out))


def verdict(call: Call) -> Answer:
    return Answer(completion(f"Score: {len(call.text) % 2}"))


def test_a_run_is_judged_and_again_for_nothing(judged: Write, tmp_path: Path) -> None:
    out = tmp_path / "r" / "x"
    with serving(verdict) as (server, url):
        file = judged(openai(url))
        first = draw_and_score(file, out)
        assert [sample["state"] for sample in first] == ["scored"] * 6
        assert len(server.calls) == 6
        assert draw_and_score(file, out) == first
    assert len(server.calls) == 6


def test_a_spent_budget_leaves_the_rest_pending_and_a_larger_one_goes_on(
    judged: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "x"
    with serving(verdict) as (server, url):
        assert (
            sweep.main([str(judged(openai(url, max_calls=4), 10)), "--out", str(out), "--quiet"]) == ExitCode.INCOMPLETE
        )
        assert states(out) == {"scored": 4, "generated": 6}
        output = capsys.readouterr()
        assert "the budget is spent, 4 of 4 calls; raise it and run again to go on" in output.err
        assert "incomplete" in output.out
        assert "failed" not in output.out
        assert (
            sweep.main([str(judged(openai(url, max_calls=4), 10)), "--out", str(out), "--quiet"]) == ExitCode.INCOMPLETE
        )
        assert states(out) == {"scored": 4, "generated": 6}
        assert len(server.calls) == 4, "what was spent before counts"
        assert (
            sweep.main([str(judged(openai(url, max_calls=7), 10)), "--out", str(out), "--quiet"]) == ExitCode.INCOMPLETE
        )
        assert states(out) == {"scored": 7, "generated": 3}
        assert "7 of 7 calls, 4 calls of them in earlier runs" in capsys.readouterr().err
        assert sweep.main([str(judged(openai(url), 10)), "--out", str(out), "--quiet"]) == 0
        assert "warning" not in capsys.readouterr().err
    assert states(out) == {"scored": 10}
    assert len(server.calls) == 10


def test_a_wrong_key_is_one_line_and_nothing_is_failed(
    judged: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "x"
    with serving(lambda call: Answer(error("who?"), 401)) as (_, url):
        assert sweep.main([str(judged(openai(url))), "--out", str(out), "--quiet"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("does not accept the key (401); check the key in the environment variable JUDGE_KEY")
    with serving(verdict) as (_, url):
        assert sweep.main([str(judged(openai(url))), "--out", str(out), "--quiet"]) == 0
    assert states(out) == {"scored": 6}


def test_a_judge_that_answers_no_question_is_told_by_the_first_sample(
    judged: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its list of models is fine; what it says about an image, nobody can read."""
    listed = Answer({"object": "list", "data": [{"id": "judge-1"}]})
    with serving(lambda call: listed if call.method == "GET" else Answer(completion("a fine day"))) as (server, url):
        file = judged(openai(url), 40)
        assert sweep.main([str(file), "--out", str(tmp_path / "r" / "x")]) != 0
    assert "single on asked: the first 3 samples failed, the last: no score: 'a fine day'" in capsys.readouterr().err
    assert {call.path for call in server.calls} == {"/v1/chat/completions"}


def test_the_model_that_answered_stands_in_results_and_report(
    judged_by_rubric: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "x"
    names = ["judge-1-GPTQ-Int4", "judge-1-2026-01-31", "judge-1"]

    def respond(call: Call) -> Answer:
        name = names[min(len(server.calls) - 1, 2)]
        return Answer(completion("Followed: 10\nKept: 10") | {"model": name})

    with serving(respond) as (server, url):
        assert sweep.main([str(judged_by_rubric(openai(url, concurrency=1))), "--out", str(out), "--quiet"]) == 0
    results = json.loads((out / "results.json").read_text())
    (about,) = results["info"]["benchmarks"]["edits"]["judges"]
    assert about == {
        "asked": "judge-1",
        "replies": 3,
        "answered_by": dict.fromkeys(names, 1),
        "outcomes": {"answered": 3},
    }
    page = (out / "index.html").read_text()
    assert "judge-1 was asked; answered by judge-1 (1), judge-1-2026-01-31 (1), judge-1-GPTQ-Int4 (1)." in page
    warning = "the judge that was asked for is judge-1, but judge-1-GPTQ-Int4 (1 of 3 replies) answered."
    assert warning in page
    assert "judge-1-2026-01-31 (1 of 3" not in page, "a version of what was asked for"


def echo(call: Call) -> Answer:
    """Says the key back in whatever it sends."""
    key = call.headers["authorization"].removeprefix("Bearer ")
    number = int(call.text.rsplit(" ", 1)[1])
    if call.nth == 0 and number % 2:
        return Answer(f"<html>{key}</html>".encode()) if number % 4 == 1 else Answer(error(f"bad {key}"), 500)
    if number == 2:
        return Answer(error(f"Rejected by the safety system: {dict(call.headers)}"), 400)
    if number == 3:
        return Answer(error(f"{key[:12]}***{key[-9:]} {key}"), 422)
    if number == 4:
        return Answer({"error": {"message": key}, "choices": []})
    if number == 5:
        return Answer(completion(f"no score but {key}", refusal=key, reasoning=key))
    return Answer(completion(f"Score: 1 {key}", finish_reason=key) | {"model": key})


def test_the_key_is_nowhere(judged: Write, tmp_path: Path, key: str) -> None:
    """A key is planted, the endpoint echoes it in every way; then all that the run wrote or said is searched."""
    out = tmp_path / "r" / "x"

    def run(judge: str) -> subprocess.CompletedProcess[str]:
        command = [*SCRIPT, str(judged(judge, 12)), "--out", str(out)]
        environment = os.environ | {"JUDGE_KEY": key, "OPENAI_LOG": "debug"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    with serving(echo) as (server, url):
        done = run(openai(url, retries=2))
    with serving(lambda call: Answer(error(f"no such model for {key}"), 404)) as (_, url):
        stopped = run(openai(url, model="judge-2"))
    assert (done.returncode, stopped.returncode) == (ExitCode.INCOMPLETE, ExitCode.BAD_INPUT), (
        done.stderr + stopped.stderr
    )
    assert {call.headers["authorization"] for call in server.calls} == {f"Bearer {key}"}
    assert "DEBUG" in done.stderr
    assert "no such model for [key]" in stopped.stderr
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for name in ("store.sqlite", "index.html"):
        (content,) = [data for path, data in written.items() if path.name == name]
        assert content.count(b"[key]") >= 3, f"{name} tells what was said, without the key"
    printed = {
        f"{name} {number}": getattr(process, name).encode()
        for name in ("stdout", "stderr")
        for number, process in enumerate((done, stopped))
    }
    pieces = {key[start : start + 8].encode() for start in range(len(key) - 7)}
    assert [name for name, data in {**written, **printed}.items() if any(piece in data for piece in pieces)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_came_and_a_second_does_not_wait(judged: Write, tmp_path: Path, number: int) -> None:
    out = tmp_path / "r" / "x"
    hanging = lambda call: verdict(call) if int(call.text.rsplit(" ", 1)[1]) < 5 else Answer(hang=True)  # noqa: E731
    with serving(hanging) as (server, url):
        command = [*SCRIPT, str(judged(openai(url), 20)), "--out", str(out), "--quiet"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while len(server.calls) <= replies(tmp_path / "r" / "store") or not replies(tmp_path / "r" / "store"):
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(1)
        kept = replies(tmp_path / "r" / "store")
        assert process.stderr is not None
        process.send_signal(number)
        assert process.stderr.readline().endswith("in hand to finish; a second signal stops at once\n")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        start = time.monotonic()
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert time.monotonic() - start < 10
        (line,) = process.stderr.read().splitlines()
        assert line.endswith("run the same command again to continue")
    assert 1 <= replies(tmp_path / "r" / "store") == kept


def replies(store: Path) -> int:
    if not (store / "store.sqlite").exists():
        return 0
    with Store(store, write=False) as opened:
        return int(opened.database.connection.execute("SELECT count(*) FROM replies").fetchone()[0])


def test_a_run_is_replayed_without_the_judge(judged: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r" / "x"
    with serving(lambda call: Answer(completion("unsure")) if "question 3" in call.text else verdict(call)) as (_, url):
        file = judged(openai(url))
        assert sweep.main([str(file), "--out", str(out), "--quiet"]) == ExitCode.INCOMPLETE
    assert states(out) == {"scored": 5, "failed": 1}
    capsys.readouterr()
    exported = tmp_path / "replies.jsonl"
    arguments = ["export-replies", str(file), "--out", str(exported), "--store", str(tmp_path / "r" / "store")]
    assert main.main(arguments) == ExitCode.INCOMPLETE
    output = capsys.readouterr()
    assert output.out == f"6 replies to 6 questions by judge-1: {exported}\n"
    assert output.err == "warning: 1 of 6 samples have no score yet\n"

    again = tmp_path / "s" / "x"
    replaying = str(judged(json.dumps({"name": "replay", "path": str(exported)})))
    assert sweep.main([replaying, "--out", str(again), "--quiet"]) == ExitCode.INCOMPLETE
    assert reported(again) == reported(out)
    with (
        Store(tmp_path / "s" / "store", write=False) as replayed,
        Store(tmp_path / "r" / "store", write=False) as original,
    ):
        select = "SELECT question, attempt, image, rubric, repeat, reply FROM replies ORDER BY question"
        stores = (replayed, original)
        after, before = ([tuple(row) for row in store.database.connection.execute(select)] for store in stores)
    assert after == before

    in_one = tmp_path / "r" / "y"
    assert sweep.main([replaying, "--out", str(in_one), "--quiet"]) == ExitCode.INCOMPLETE
    capsys.readouterr()
    rewritten = tmp_path / "again.jsonl"
    arguments = ["export-replies", replaying, "--out", str(rewritten), "--store", str(tmp_path / "r" / "store")]
    assert main.main(arguments) == ExitCode.INCOMPLETE, (
        "of the two judges in this store, only the one that this run has"
    )
    assert {json.loads(line)["judge"]["name"] for line in rewritten.read_text().splitlines()} == {"replay"}


def test_replies_of_what_has_none(judged: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, store = judged(openai("http://127.0.0.1:9/v1")), str(tmp_path / "store")
    assert main.main(["export-replies", str(file), "--store", store]) == 2
    assert capsys.readouterr().err.endswith("has no replies for 'judged'; run the sweep first\n")
    (tmp_path / "plain.yaml").write_text(SWEEP)
    assert main.main(["export-replies", str(tmp_path / "plain.yaml"), "--store", store]) == 2
    assert capsys.readouterr().err == "evalharness: no benchmark of 'tiny' asks a judge\n"


def test_a_file_of_replies_is_not_overwritten(
    judged: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "x"
    with serving(verdict) as (_, url):
        file = judged(openai(url))
        assert sweep.main([str(file), "--out", str(out), "--quiet"]) == 0
    arguments = ["export-replies", str(file), "--store", str(tmp_path / "r" / "store")]
    capsys.readouterr()
    assert main.main(arguments) == 0
    assert (tmp_path / "r" / "judged-replies.jsonl").is_file()
    assert main.main(arguments) == 2
    assert capsys.readouterr().err.endswith("judged-replies.jsonl exists; choose another --out\n")
    assert main.main([*arguments, "--out", "/dev/null/x"]) == 2
    assert "cannot write to /dev/null/x" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "r").iterdir() if path.name.startswith(".")]
