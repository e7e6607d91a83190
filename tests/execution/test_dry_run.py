"""What a dry run says of scores: a bound on what the run then does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from growing_model import GrowingModel
from mock_sweeps import SWEEP
from plugin_packages import InstallPlugins

import evalharness as eh
from evalharness.api.failure import Failure
from evalharness.cli import sweep
from evalharness.errors import FailureKind
from evalharness.store.store import Store

Write = Callable[[str], Path]


def to_score(file: Path, out: Path, capsys: pytest.CaptureFixture[str], *words: str) -> int:
    capsys.readouterr()
    assert sweep.main([str(file), "--out", str(out), "--dry-run", *words]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("images to score for mock: ")]
    return int(line.split("at most ")[1].split(",")[0].split(";")[0])


@pytest.mark.parametrize("kind", ["sample", "transient"])
def test_failures_that_are_tried_again_count(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: FailureKind
) -> None:
    file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
    assert to_score(file, out, capsys) == 24
    eh.run(file, out=out, quiet=True).close()
    assert to_score(file, out, capsys) == 0
    with Store(tmp_path / "r" / "store") as store, store.batch():
        keys = [key for key, *_ in store.scores.all()]
        store.scores.delete(keys)
        for key in keys:
            store.failures.add(key, Failure("why", kind))
    distinct = 6 + 2 * 6  # the mock stops after two iterations, so the arms with caps 2 and 3 end in one image
    again = 0 if kind == "sample" else distinct
    assert to_score(file, out, capsys) == again
    assert to_score(file, out, capsys, "--retry-failed") == distinct


@pytest.mark.parametrize(("replays", "named"), [("true", []), ("false", ["process"])])
def test_arms_that_are_not_continued_are_named(
    sweep_file: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    install_plugins: InstallPlugins,
    replays: str,
    named: list[str],
) -> None:
    install_plugins(models=[GrowingModel])
    file = sweep_file(
        "name: tiny\n"
        f"model: {{name: growing, replays: {replays}}}\n"
        "benchmarks: [{name: mock, limit: 2, samples: 1}]\n"
        "arms:\n"
        "  - {name: single, variant: single_pass}\n"
        "  - {name: process, variant: process}\n"
        "  - {name: best, variant: best_of_n, n: 3}\n"
    )
    assert sweep.main([str(file), "--out", str(tmp_path / "r" / "x"), "--dry-run"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not continued")]
    assert [line.partition(": ")[2] for line in lines] == named
