"""Gates of a sweep: exit codes, what is said, and the files for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from mock_sweeps import SINGLE

from evalharness._util.exit_codes import ExitCode
from evalharness.cli import sweep
from evalharness.testing import MockModel, MockScorer
from evalharness.types.score import Score


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SINGLE)
    return path


def run(file: Path, *options: str, out: str = "r/tiny") -> int:
    return sweep.main([str(file), "--out", str(file.parent / out), "--quiet", *options])


def score(file: Path, capsys: pytest.CaptureFixture[str]) -> float:
    """The score of the arm, as the command prints it."""
    assert run(file) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  single"))
    return float(line.split()[1]) / 100


def test_a_score_below_the_limit_is_exit_code_1_and_the_report_is_written(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = score(file, capsys)
    assert 0 < reached < 1
    (file.parent / "r" / "tiny" / "index.html").unlink()
    assert run(file, "--fail-under", f"mock={reached - 0.01:.4f}", "--fail-incomplete") == ExitCode.COMPLETE
    assert capsys.readouterr().out.count("gate passed: mock/single") == 2
    assert run(file, "--fail-under", f"mock/single={reached + 0.01:.4f}") == ExitCode.CHECK_FAILED
    told = capsys.readouterr()
    assert "gate failed: mock/single: at least" in told.out
    assert told.err == "evalharness: 1 of 1 gate failed\n"
    assert (file.parent / "r" / "tiny" / "index.html").is_file()


def test_an_incomplete_run_is_exit_code_3_and_1_with_its_gate(file: Path) -> None:
    file.write_text(SINGLE.replace("model: mock", "model: {name: mock, fails: [thing 3], batch_size: 1}"))
    assert run(file, "--fail-under", "mock=0") == ExitCode.INCOMPLETE
    assert run(file, "--fail-incomplete") == ExitCode.CHECK_FAILED


@pytest.fixture
def earlier(file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An earlier run of the sweep, which found every image right."""
    file.write_text(SINGLE.replace("limit: 6, samples: 1", "samples: 4"))
    with monkeypatch.context() as patch:
        patch.setattr(MockScorer, "score", lambda scorer, images, items: [Score(1.0)] * len(images))
        assert run(file, out="before/tiny") == 0
    return str(file.parent / "before" / "tiny")


def test_a_run_is_held_against_an_earlier_one(
    file: Path, earlier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, "--fail-if-worse", earlier) == ExitCode.CHECK_FAILED
    assert "gate failed: mock/single: not worse than the baseline run: -" in capsys.readouterr().out
    now = str(tmp_path / "r" / "tiny")
    assert run(file, "--fail-if-worse", now, out="again/tiny") == ExitCode.COMPLETE
    assert "gate passed: mock/single: not worse than the baseline run: +0.0 points" in capsys.readouterr().out


def test_an_earlier_run_without_anything_to_compare_is_refused_before_anything_is_drawn(
    file: Path, earlier: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text().replace("name: single", "name: renamed"))
    MockModel.drawn.clear()
    assert run(file, "--fail-if-worse", earlier) == ExitCode.BAD_INPUT
    assert "has no arm of this sweep on mock, so nothing can be compared" in capsys.readouterr().err
    assert not MockModel.drawn


@pytest.fixture
def refused(file: Path, earlier: str, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Hold the sweep against the earlier run; returns why it is refused."""

    def held() -> str:
        MockModel.drawn.clear()
        capsys.readouterr()
        assert run(file, "--fail-if-worse", earlier) == ExitCode.BAD_INPUT
        assert not MockModel.drawn
        return capsys.readouterr().err.splitlines()[-1]

    return held


def test_an_earlier_run_of_another_scorer_is_refused_before_anything_is_drawn(
    refused: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = MockScorer.identity
    monkeypatch.setattr(MockScorer, "identity", lambda scorer: {**identity(scorer), "threshold": 0.5})
    assert "mock: the baseline run was scored by another scorer" in refused()


def test_an_earlier_run_without_scores_of_a_category_is_refused_before_anything_is_drawn(
    file: Path, earlier: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = file.read_text()
    odd = "thing 1, thing 3, thing 5, thing 7, thing 9"
    file.write_text(text.replace("model: mock", f"model: {{name: mock, fails: [{odd}], batch_size: 1}}"))
    assert run(file, out="partly/tiny") == ExitCode.INCOMPLETE
    file.write_text(text)
    MockModel.drawn.clear()
    capsys.readouterr()
    assert run(file, "--fail-if-worse", str(file.parent / "partly" / "tiny")) == ExitCode.BAD_INPUT
    assert "mock/single: it has no scores to compare of two prompts of odd" in capsys.readouterr().err
    assert not MockModel.drawn


def test_an_undecided_gate_is_no_pass(
    file: Path, earlier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = file.read_text()
    file.write_text(text.replace("model: mock", "model: {name: mock, fails: [thing], batch_size: 1}"))
    xml, summary = tmp_path / "gates.xml", tmp_path / "summary.md"
    more = ["--junit", str(xml), "--step-summary", str(summary)]
    assert run(file, "--fail-if-worse", earlier, *more) == ExitCode.CHECK_FAILED
    told = capsys.readouterr()
    assert "gate undecided: mock/single: not worse than the baseline run: too few samples" in told.out
    assert told.err.splitlines()[-1] == "evalharness: 1 of 1 gate could not be decided"
    root = ElementTree.parse(xml).getroot()
    assert (root.get("failures"), root.get("errors")) == ("0", "1")
    assert "| undecided | mock" in summary.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fail-under", "other=0.5"], "the sweep has no benchmark 'other'"),
        (["--fail-under", "mock/singel=0.5"], "the sweep has no arm 'singel'; did you mean 'single'?"),
        (["--fail-under", "mock=80"], "'mock=80' is not BENCHMARK=SCORE"),
        (["--fail-under", "mock"], "'mock' is not BENCHMARK=SCORE"),
        (["--fail-under", "mock=nan"], "'mock=nan' is not BENCHMARK=SCORE"),
        (["--fail-if-worse", "nowhere"], "nowhere"),
        (["--fail-if-worse", "{out}"], "is the report that this run writes"),
        (["--fail-incomplete", "--dry-run"], "--dry-run has no results"),
        (["--fail-incomplete", "--draw-only"], "--draw-only has no results"),
        (["--fail-incomplete", "--check"], "--check has no results"),
        (["--fail-incomplete", "--shard", "1/2"], "--shard has a part of the results"),
        (["--junit", "gates.xml"], "--junit has nothing to tell"),
        (["--step-summary"], "$GITHUB_STEP_SUMMARY is not set"),
    ],
)
def test_a_gate_that_cannot_be_decided_is_one_line_before_anything_is_drawn(
    file: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    out = file.parent / "r" / "tiny"
    out.mkdir(parents=True)
    MockModel.drawn.clear()
    try:
        code = run(file, *(option.format(out=out) for option in options))
    except SystemExit as error:  # argparse's own mistakes
        code = int(str(error.code))
    assert code == ExitCode.BAD_INPUT
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not MockModel.drawn


def test_junit_has_a_suite_a_benchmark_and_a_case_an_outcome(file: Path, tmp_path: Path) -> None:
    xml = tmp_path / "new" / "gates.xml"
    assert run(file, "--fail-under", "mock=1", "--fail-incomplete", "--junit", str(xml)) == ExitCode.CHECK_FAILED
    root = ElementTree.parse(xml).getroot()
    assert (root.tag, root.get("name"), root.get("tests"), root.get("failures")) == ("testsuites", "tiny", "2", "1")
    (suite,) = root
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("mock", "2", "1")
    below, complete = suite
    assert below.find("failure") is not None
    assert complete.find("failure") is None
    assert {case.get("classname") for case in suite} == {"tiny.mock"}


def test_the_summary_of_a_step_is_appended(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert run(file, "--fail-under", "mock=0", "--step-summary") == 0
    text = summary.read_text()
    assert text.startswith("before\n## tiny\n")
    assert "| single " in text
    assert "### Gates" in text
    assert "| passed | mock" in text
