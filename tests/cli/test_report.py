"""``evalharness report`` and ``evalharness compare`` on runs of the mocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mock_sweeps import SWEEP

from evalharness._util.exit_codes import ExitCode
from evalharness.cli import main
from evalharness.testing import MockModel

Write = Callable[[str], Path]


def sweep(file: Path, out: Path) -> None:
    assert main.main(["sweep", str(file), "--out", str(out), "--quiet"]) == 0


def test_a_report_is_written_again_without_drawing(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "tiny"
    sweep(sweep_file(SWEEP), out)
    before, drawn = (out / "results.json").read_text(), len(MockModel.drawn)
    (out / "index.html").unlink()
    assert main.main(["report", str(out)]) == 0
    assert (out / "index.html").is_file()
    assert (out / "results.json").read_text() == before
    assert len(MockModel.drawn) == drawn
    assert f"report: {out / 'index.html'}" in capsys.readouterr().out


def test_a_report_goes_elsewhere_and_quotes_on_request(sweep_file: Write, tmp_path: Path) -> None:
    out = tmp_path / "r" / "tiny"
    sweep(sweep_file(SWEEP), out)
    (tmp_path / "lit.yaml").write_text("- {benchmark: mock, rows: [{name: Other, score: 0.5, source: a paper}]}")
    other = tmp_path / "other"
    assert main.main(["report", str(out), "--out", str(other), "--literature", str(tmp_path / "lit.yaml")]) == 0
    quoted = pd.read_csv(other / "tables" / "mock-quoted.csv")
    assert (quoted.loc[0, "name"], quoted.loc[0, "overall"], quoted.loc[0, "source"]) == ("Other", 0.5, "a paper")
    assert "Other" not in set(pd.read_csv(other / "tables" / "mock-wide.csv")["arm"])
    assert "Other (quoted)" in (other / "tables" / "mock-wide.md").read_text()
    assert json.loads((other / "results.json").read_text())["info"]["literature"][0]["source"] == "a paper"
    assert not (out / "tables" / "mock-quoted.csv").exists()


def test_what_was_never_run_has_no_report(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(SWEEP)
    assert main.main(["report", str(file), "--store", str(tmp_path / "none")]) == 2
    assert "run the sweep first" in capsys.readouterr().err
    sweep(file, tmp_path / "r" / "tiny")
    other = tmp_path / "other.yaml"
    other.write_text(SWEEP.replace("seed: 3", "seed: 4"))
    assert main.main(["report", str(other), "--store", str(tmp_path / "r" / "store")]) == 2
    assert "has nothing of this run" in capsys.readouterr().err


def test_two_runs_are_compared(sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a" / "tiny", tmp_path / "b" / "tiny"
    sweep(sweep_file(SWEEP.replace("samples: 1", "samples: 2")), first)
    sweep(sweep_file(SWEEP.replace("samples: 1", "samples: 2").replace("limit: 6", "limit: 8")), second)
    capsys.readouterr()
    assert main.main(["compare", str(first), str(second), "--out", str(tmp_path / "c")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("prompt and seed") == 4
    assert "12 of 6 prompts" in printed
    assert "note: mock: 2 prompts only in the second run" in printed
    data = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert [pair["difference"]["value"] for pair in data["compared"]] == [0, 0, 0, 0]
    assert {path.suffix for path in (tmp_path / "c").glob("compare.*")} == {".json", ".md", ".tex", ".csv", ".parquet"}
    assert f"page: {tmp_path / 'c' / 'index.html'}" in printed
    assert "Comparison of runs" in (tmp_path / "c" / "index.html").read_text()
    assert len(pd.read_parquet(tmp_path / "c" / "compare.parquet")) == 4 * 3


def test_the_score_of_an_incomplete_run_is_a_range(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "a" / "tiny", tmp_path / "b" / "tiny"
    text = SWEEP.replace("limit: 6, ", "")
    sweep(sweep_file(text), first)
    failing = sweep_file(text.replace("model: mock", "model: {name: mock, fails: [thing 3], batch_size: 1}"))
    assert main.main(["sweep", str(failing), "--out", str(second), "--quiet"]) == ExitCode.INCOMPLETE
    capsys.readouterr()
    assert main.main(["compare", str(first), str(second), "--out", str(tmp_path / "c")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("incomplete: ") == printed.count("(9/10)") == 4
    for name in ("compare.md", "compare.tex", "index.html"):
        found = (tmp_path / "c" / name).read_text()
        assert "9/10" in found and "incomplete" in found, name
    for pair in json.loads((tmp_path / "c" / "compare.json").read_text())["compared"]:
        whole, part = pair["scores"]
        assert (whole["scored"], part["scored"], part["expected"], part["value"]) == (10, 9, 10, None)
        assert whole["value"] == pytest.approx(whole["possible_low"]) == pytest.approx(whole["possible_high"])


def test_arms_of_two_names_and_other_seeds(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "a" / "tiny", tmp_path / "b" / "tiny"
    sweep(sweep_file(SWEEP), first)
    sweep(sweep_file(SWEEP.replace("seed: 3", "seed: 4")), second)
    capsys.readouterr()
    command = ["compare", str(first), str(second), "--arm", "single", "--arm-b", "process max_iterations=2"]
    assert main.main(command) == 0
    printed = capsys.readouterr().out
    assert "single → process max_iterations=2" in printed
    assert "share prompts but no seed" in printed
    assert main.main(["compare", str(first), str(second), "--arm", "singel"]) == 2
    assert "RUN_A has no arm 'singel'; did you mean 'single'?" in capsys.readouterr().err


def test_three_runs_are_compared_with_the_first(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [tmp_path / name / "tiny" for name in "abc"]
    for out, seed in zip(outs, (3, 3, 4), strict=True):
        sweep(sweep_file(SWEEP.replace("seed: 3", f"seed: {seed}")), out)
    capsys.readouterr()
    assert main.main(["compare", *map(str, outs), "--arm", "single", "--out", str(tmp_path / "d")]) == 0
    printed = capsys.readouterr().out
    assert "C: tiny" in printed
    assert "note: A, C: mock: the runs share prompts but no seed" in printed
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line[:2] == "| "]
    assert rows[0][:5] == ["benchmark", "run", "arm", "A", "other"]
    assert [row[:3] for row in rows[1:]] == [["mock", "B", "single"], ["mock", "C", "single"]]
    compared = json.loads((tmp_path / "d" / "compare.json").read_text())["compared"]
    assert [(pair["runs"], pair["pairing"]) for pair in compared] == [([0, 1], "seeds"), ([0, 2], "prompts")]


def test_a_comparison_takes_no_place_of_a_run(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "tiny"
    sweep(sweep_file(SWEEP), out)
    before = (out / "index.html").read_bytes()
    for place, name in ((out, "results.json"), (out.parent / "store", "store.sqlite")):
        assert main.main(["compare", str(out), str(out), "--out", str(place)]) == 2
        assert f"{place} holds a run ({name}), which would be replaced" in capsys.readouterr().err
    assert (out / "index.html").read_bytes() == before


def test_a_store_more_than_there_are_runs_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "a", "b", *["--store-b", str(tmp_path)] * 2]
    assert main.main(command) == 2
    assert "--store-b is given 2 times for 1 run after RUN_A" in capsys.readouterr().err
