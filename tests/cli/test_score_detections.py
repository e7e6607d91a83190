from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from evalharness.cli import main

METADATA = {
    "tag": "colors",
    "include": [{"class": "dog", "count": 1, "color": "red"}],
    "prompt": "a photo of a red dog",
}
DOG = {"class": "dog", "box": [0, 0, 10, 10], "score": 0.5, "color": "red"}
RIGHT = json.dumps({"metadata": METADATA, "detections": [DOG]})
WRONG = json.dumps({"metadata": METADATA, "detections": [DOG | {"color": "blue"}]})


def verdicts(*arguments: str) -> int:
    return main.main(["score-detections", "geneval", *arguments])


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_line_in_a_line_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.jsonl"
    file.write_text(f"{RIGHT}\n{WRONG}")
    assert verdicts(str(file)) == 0
    assert lines(capsys.readouterr().out) == [
        {"correct": True, "reason": ""},
        {"correct": False, "reason": "expected red dog>=1, found 0 red; and 1 blue"},
    ]
    assert verdicts(str(file), "--threshold", "0.6", "--max-objects=3") == 0
    assert lines(capsys.readouterr().out) == [{"correct": False, "reason": "expected dog>=1, found 0"}] * 2


def test_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(RIGHT.encode())))
    assert verdicts("--counting-threshold", "0.5", "-") == 0
    assert lines(capsys.readouterr().out) == [{"correct": True, "reason": ""}]


@pytest.mark.parametrize("bad", [b"{", b"\xff", b"[" * 100_000, b'{"metadata": {}, "detections": []}'])
def test_a_bad_line_is_named_and_nothing_follows(
    tmp_path: Path, bad: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.jsonl"
    file.write_bytes(b"\n".join([RIGHT.encode(), bad, WRONG.encode()]))
    assert verdicts(str(file)) == 2
    output = capsys.readouterr()
    assert lines(output.out) == [{"correct": True, "reason": ""}]
    assert output.err.startswith(f"evalharness: {file} line 2")
    assert output.err.count("\n") == 1


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdicts(str(tmp_path / "none")) == 2
    assert capsys.readouterr().err.endswith("none: No such file or directory\n")
    assert verdicts("-", "--threshold", "1.5") == 2
    assert capsys.readouterr().err == ("evalharness: --threshold: input should be less than or equal to 1, got '1.5'\n")
    assert verdicts("-", "--position-threshold", "inf") == 2
    assert capsys.readouterr().err == "evalharness: --position-threshold: input should be a finite number, got 'inf'\n"
    with pytest.raises(SystemExit) as caught:
        verdicts("-", "--treshold", "1")
    assert caught.value.code == 2
    assert "unrecognized arguments: --treshold 1" in capsys.readouterr().err
    assert main.main(["score-detections", "genevil", "-"]) == 2
    assert "did you mean 'geneval'" in capsys.readouterr().err


def test_help_lists_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        verdicts("--help")
    assert caught.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for option in ("--threshold", "--counting-threshold", "--max-objects", "--max-overlap", "--position-threshold"):
        assert option in out
    assert "Detections count if their score is above this. (default: 0.3)" in out
