"""Shards of a sweep are run one by one and brought together, as the jobs of an array do it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fences import ROOT, blocks
from mock_sweeps import SWEEP, reported

from evalharness.cli import main, sweep
from evalharness.testing import MockModel

Write = Callable[[str], Path]


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    return sweep.main([*words, "--quiet"])


def folders(parent: Path) -> set[str]:
    return {path.name for path in parent.iterdir()}


def test_shards_brought_together_are_the_sweep(working_directory: Path, sweep_file: Write) -> None:
    file, reports = str(sweep_file(SWEEP)), working_directory / "reports"
    assert run(file, "--out", "whole/tiny") == 0
    assert [run(file, "--shard", f"{index}/2") for index in (1, 2)] == [0, 0]
    parts = [f"shard-{index}-of-2" for index in (1, 2)]
    assert folders(reports) == {f"{name}-{part}" for name in ("tiny", "store") for part in parts}
    stores = [str(reports / f"store-{part}") for part in parts]
    assert main.main(["merge", *stores, "--into", str(reports / "store")]) == 0
    MockModel.drawn.clear()
    assert run(file) == 0
    assert MockModel.drawn == []
    assert reported(reports / "tiny") == reported(working_directory / "whole" / "tiny")


def test_each_command_finds_the_folders_of_a_shard(
    working_directory: Path, sweep_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(sweep_file(SWEEP))
    part = [file, "--shard", "2/3"]
    assert run(*part, "--draw-only", "--limit", "4") == 0
    drawn = len(MockModel.drawn)
    assert run(*part, "--out", "reports/tiny", "--store", "reports/store") == 0
    assert run(*part, "--limit", "4") == 0
    assert len(MockModel.drawn) > drawn
    names = {"store-shard-2-of-3", "tiny-shard-2-of-3", "tiny-limit-4-shard-2-of-3"}
    assert folders(working_directory / "reports") == names
    report = working_directory / "reports" / "tiny-shard-2-of-3"
    for command in (["status", *part], ["status", str(report)], ["report", *part], ["report", str(report)]):
        capsys.readouterr()
        assert main.main(command) == 0
        assert "2/2" in capsys.readouterr().out
    assert folders(working_directory / "reports") == names
    assert run(*part, "--dry-run") == 0
    assert "trajectories to draw: 0" in capsys.readouterr().out


def test_the_documented_job_array_passes_a_shard_to_each_job(
    working_directory: Path, sweep_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of the script, as bash would run it in the second of three jobs."""
    scripts = [text for text in blocks(ROOT / "docs" / "cluster.md", "sbatch") if "--array" in text]
    (line,) = [line for text in scripts for line in text.splitlines() if line.startswith("python -m evalharness.sweep")]
    words = line.removesuffix(" &").replace('"', "").split()[3:]
    values = {"$1": str(sweep_file(SWEEP)), "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_MAX": "2/3"}
    assert run(*[values.get(word, word) for word in words]) == 0
    assert folders(working_directory / "reports") == {"store-shard-2-of-3", "tiny-shard-2-of-3"}
