"""Reports do not overwrite each other in silence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mock_sweeps import SINGLE, SWEEP

import evalharness as eh
from evalharness.cli import main, sweep
from evalharness.config.shards import Shard, sharded
from evalharness.errors import ConfigError
from evalharness.planning.subsets import Size
from evalharness.store.report_folders import locked_folder, report_folder

Write = Callable[[str], Path]


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    return sweep.main([*words, "--quiet"])


def samples(folder: Path) -> int:
    with eh.load_results(folder) as results:
        return len(results.samples)


@pytest.mark.usefixtures("working_directory")
def test_a_trial_of_many_arms_has_a_folder_with_a_name_that_can_be() -> None:
    arms = [f"process max_iterations={cap} inspect=true refine=false temperature=0.{cap}" for cap in range(1, 9)]
    folders = {report_folder("n" * 100, Size(only=tuple(arms[:count]))) for count in range(1, 9)}
    assert len(folders) == 8, "another choice has another folder"
    for folder in folders:
        sharded(folder, Shard(100_000, 100_000)).mkdir(parents=True)


@pytest.mark.parametrize(
    ("size", "name"),
    [
        (Size(), "tiny"),
        (Size(full=True), "tiny"),
        (Size(limit=4), "tiny-limit-4"),
        (Size(limit=4, samples=1, only=("x inspect=true",)), "tiny-limit-4-samples-1-only-x-inspect-true"),
        (Size(only=("../x", "y")), "tiny-only-..-x-y"),
    ],
)
def test_the_folder_of_a_report(size: Size, name: str) -> None:
    assert report_folder("tiny", size) == Path("reports") / name


def test_a_trial_is_reported_beside_its_sweep(
    working_directory: Path, sweep_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(sweep_file(SWEEP))
    assert run(file) == 0
    assert run(file, "--limit", "4", "--only", "single") == 0
    eh.run(file, limit=3, quiet=True).close()
    folders = {path.name: samples(path) for path in (working_directory / "reports").iterdir() if path.name != "store"}
    assert folders == {"tiny": 24, "tiny-limit-4-only-single": 4, "tiny-limit-3": 12}
    capsys.readouterr()
    assert main.main(["status", file, "--limit", "4", "--only", "single"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["single", "2/2", "2/2", "4/4"]
    page = working_directory / "reports" / "tiny-limit-4-only-single" / "index.html"
    page.unlink()
    assert main.main(["report", file, "--limit", "4", "--only", "single"]) == 0
    assert page.is_file()
    assert main.main(["report", str(page.parent), "--limit", "4"]) == 2
    assert "has its own size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--limit", "4"], "6 prompts of 'mock', of which this run takes 4"),
        (["--only", "single"], "the arm 'process max_iterations=1', which this run leaves out"),
        (["--samples", "1", "--full"], "2 images per prompt of 'mock', and this run makes 1"),
    ],
)
def test_a_trial_does_not_replace_a_larger_report(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], kept: str
) -> None:
    file, out = str(sweep_file(SWEEP.replace("samples: 1", "samples: 2"))), tmp_path / "r" / "x"
    assert run(file, "--out", str(out)) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert run(file, "--out", str(out), *words) == 2
    line = f"evalharness: {out} holds the report of {kept}; choose another --out, or delete it\n"
    assert capsys.readouterr().err == line
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert run(file, "--out", str(out), "--limit", "8") == 0, "one of more samples replaces it"


def test_a_trial_does_not_replace_the_report_of_another_sweep(sweep_file: Write, tmp_path: Path) -> None:
    out = tmp_path / "r" / "x"
    eh.run(sweep_file(SINGLE), out=out, quiet=True).close()
    with pytest.raises(ConfigError, match="holds the report of the sweep 'tiny'"):
        eh.run(sweep_file(SINGLE.replace("name: tiny", "name: other")), out=out, limit=6, quiet=True)


def test_two_runs_do_not_write_one_report(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their stores are different, so that these do not lock the second run out."""
    file, out = str(sweep_file(SINGLE)), tmp_path / "r" / "x"
    assert run(file, "--out", str(out)) == 0
    capsys.readouterr()
    with locked_folder(out):
        words = [file, "--out", str(out), "--store", str(tmp_path / "other")]
        assert [run(*words), run(*words, "--check"), main.main(["report", str(out)])] == [2, 2, 2]
    line = f"evalharness: {out} is being written by another run (pid {os.getpid()}); wait, or choose another --out"
    assert capsys.readouterr().err.splitlines() == [line] * 3
    assert run(file, "--out", str(out)) == 0
