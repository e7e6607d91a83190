from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.api.judge import JudgePrompt
from evalharness.errors import ConfigError, SampleError
from evalharness.judges import recorded
from evalharness.judges.recorded import Line
from evalharness.judges.replay import Replay, judge_name
from evalharness.types.reply import Reply

MINI = {"name": "openai", "model": "mini", "temperature": 0.0}
HOT = {"name": "openai", "model": "mini", "temperature": 1.0}
VLM = {"name": "lm-eval", "path": "vlm"}


def prompt(number: int, tried: int = 0) -> JudgePrompt:
    return JudgePrompt([{"role": "user", "content": f"{number}"}], f"image {number}", "rubric", 20, 0, tried)


def line(number: int, attempt: int, text: str, judge: dict[str, Any] = MINI) -> str:
    sent = prompt(number)
    reply = Reply(text, "stop", 3, 4, 0.5, 0.25, "no", "hm", "mini-1")
    return Line(
        question=sent.key(), attempt=attempt, judge=judge, image=sent.image, rubric="rubric", repeat=0, reply=reply
    ).text()


def replay(tmp_path: Path, *lines: str, judge: str | None = None) -> Replay:
    (tmp_path / "said.jsonl").write_text("".join(lines))
    return Replay(Replay.Settings(path=tmp_path / "said.jsonl", judge=judge))


def texts(judge: Replay, *prompts: JudgePrompt) -> list[str]:
    outcomes = [outcome for _, outcome in judge.ask(enumerate(prompts))]
    return [outcome.text if isinstance(outcome, Reply) else f"no: {outcome}" for outcome in outcomes]


def test_replies_come_back_whole_in_the_order_of_the_attempts(tmp_path: Path) -> None:
    judge = replay(tmp_path, line(1, 1, "second"), line(1, 0, "first"), line(2, 0, "other"))
    [(_, outcome)] = judge.ask([(0, prompt(1))])
    assert outcome == Reply("first", "stop", 3, 4, 0.5, 0.25, "no", "hm", "mini-1")
    assert texts(judge, prompt(1), prompt(2), prompt(1), prompt(3)) == [
        "second",
        "other",
        "no: said.jsonl has 2 replies to this, no more",
        "no: said.jsonl has no reply to this question about this image",
    ]


def test_a_run_that_goes_on_gets_the_replies_that_it_does_not_have(tmp_path: Path) -> None:
    lines = [line(1, 0, "first"), line(1, 1, "second"), line(1, 2, "third")]
    assert texts(replay(tmp_path, *lines), prompt(1, tried=1), prompt(1, tried=2)) == ["second", "third"]
    assert texts(replay(tmp_path, *lines), prompt(1, tried=3)) == ["no: said.jsonl has 3 replies to this, no more"]


def test_failures_are_of_the_sample(tmp_path: Path) -> None:
    ((_, outcome),) = replay(tmp_path, line(1, 0, "x")).ask([(0, prompt(2))])
    assert isinstance(outcome, SampleError)


def test_identity_names_the_judge_that_was_asked_and_the_file(tmp_path: Path) -> None:
    judge = replay(tmp_path, line(1, 0, "x"))
    identity = judge.identity()
    assert identity == {"name": "replay", "judge": MINI, "replayed_from": identity["replayed_from"]}
    assert len(identity["replayed_from"]) == 64
    assert judge_name(identity) == "mini"
    other = replay(tmp_path, line(1, 0, "y")).identity()
    assert other["replayed_from"] != identity["replayed_from"]


def test_of_several_judges_one_must_be_named(tmp_path: Path) -> None:
    lines = [line(1, 0, "mini", MINI), line(1, 0, "hot", HOT), line(1, 0, "vlm", VLM)]
    with pytest.raises(ConfigError, match=r"replies of 3 judges, say with judge: which of 'mini' \(\w{8}\), 'mini'"):
        replay(tmp_path, *lines).identity()
    with pytest.raises(ConfigError, match="judge 'mini' is more than one of"):
        replay(tmp_path, *lines, judge="mini").identity()
    with pytest.raises(ConfigError, match="judge 'none' is none of"):
        replay(tmp_path, *lines, judge="none").identity()
    assert texts(replay(tmp_path, *lines, judge="lm-eval"), prompt(1)) == ["vlm"]
    for key, replies in recorded.read(tmp_path / "said.jsonl").items():
        named = replay(tmp_path, *lines, judge=key[:8])
        assert named.identity()["judge"] == replies.identity


GOOD = json.loads(line(1, 0, "x"))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"{", "invalid JSON"),
        (b"\xff", "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
        (b"3", "input should be an object"),
        (b"{}", "key 'question' is missing"),
        (json.dumps(GOOD | {"attempt": -1}).encode(), "attempt: input should be greater than or equal to 0"),
        (json.dumps(GOOD | {"attempt": "1"}).encode(), "attempt: input should be a valid integer"),
        (json.dumps(GOOD | {"key": "x"}).encode(), "unknown key 'key'"),
        (json.dumps(GOOD | {"judge": "mini"}).encode(), "judge: input should be an object"),
        (json.dumps(GOOD | {"reply": {"text": 3}}).encode(), "reply.text: input should be a valid string"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, bad: bytes, says: str) -> None:
    path = tmp_path / "said.jsonl"
    path.write_bytes(b"\n".join([line(2, 0, "x").strip().encode(), bad, b""]))
    with pytest.raises(ConfigError) as caught:
        Replay(Replay.Settings(path=path)).reachable()
    assert str(caught.value).startswith(f"{path} line 2 is not a reply: {says}")


def test_a_file_that_contradicts_itself(tmp_path: Path) -> None:
    assert texts(replay(tmp_path, line(1, 0, "x"), line(1, 0, "x")), prompt(1)) == ["x"]
    with pytest.raises(ConfigError, match="line 3: another reply to the same question and attempt as in line 1"):
        replay(tmp_path, line(1, 0, "x"), line(2, 0, "x"), line(1, 0, "y")).identity()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no replies"):
        replay(tmp_path).identity()
    with pytest.raises(ConfigError, match=r"cannot read .*none\.jsonl: No such file"):
        Replay(Replay.Settings(path=tmp_path / "none.jsonl")).identity()
