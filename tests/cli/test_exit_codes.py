"""The exit codes of commands, as docs/reliability.md lists them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fences import ROOT
from mock_sweeps import SINGLE

from evalharness._util.exit_codes import ExitCode
from evalharness.cli import main, sweep
from evalharness.testing import MockModel

Write = Callable[[str], Path]


def test_the_page_lists_every_code() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == sorted(ExitCode)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            "fails: [thing]",
            "6 of 6 samples have no score (6 failed); most often: ValueError: ",
        ),
        (
            "refuses: [thing]",
            "6 of 6 samples have no score (6 failed); most often: not in the ",
        ),
        (
            "fails: [thing 3]",
            "1 of 6 samples have no score (1 failed); most often: ValueError",
        ),
    ],
)
def test_a_run_that_lacks_scores_is_incomplete_and_says_so_in_one_line(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, line: str
) -> None:
    file = str(sweep_file(SINGLE.replace("model: mock", f"model: {{name: mock, {settings}}}")))
    out = tmp_path / "r" / "x"
    assert sweep.main([file, "--out", str(out), "--quiet"]) == ExitCode.INCOMPLETE
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"evalharness: incomplete: {line}")
    assert (out / "index.html").is_file()
    assert main.main(["report", str(out)]) == ExitCode.INCOMPLETE
    assert capsys.readouterr().err.startswith(f"evalharness: incomplete: {line}")


def test_a_run_that_scores_nothing_is_incomplete(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(sweep_file(SINGLE.replace("limit: 6,", "prompts: [unscorable a, unscorable b],")))
    assert sweep.main([file, "--out", str(tmp_path / "r" / "x"), "--quiet"]) == ExitCode.INCOMPLETE
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "evalharness: incomplete: 2 of 2 samples have no score (2 failed); most often: nothing to score"


def test_work_that_was_not_reached_is_missing_from_a_report(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = sweep_file(SINGLE), tmp_path / "r" / "x"
    assert sweep.main([str(file), "--out", str(out), "--quiet", "--limit", "2"]) == ExitCode.COMPLETE
    assert MockModel.drawn
    arguments = ["report", str(file), "--out", str(out), "--store", str(tmp_path / "r" / "store")]
    assert main.main(arguments) == ExitCode.INCOMPLETE
    assert re.search(r"incomplete: \d of 6 samples have no score \(\d not drawn\)$", capsys.readouterr().err.strip())
