"""What a run will take of the disk: said by a dry run, checked by a run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from mock_sweeps import SWEEP, draw_and_score
from PIL import Image

import evalharness as eh
from evalharness._util import filesystems
from evalharness.cli import sweep
from evalharness.errors import ConfigError
from evalharness.execution.disk_forecast import disk_forecasts
from evalharness.store.store import Store
from evalharness.testing import MockModel

Write = Callable[[str], Path]
LARGE = "{name: mock, size: 128, iterations: 9, conflicts: 9}"


class DiskUsage(NamedTuple):
    """What ``shutil.disk_usage`` returns, as far as it is used."""

    free: int


def dry_lines(file: Path, out: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    assert sweep.main([str(file), "--out", str(out), "--dry-run", *words]) == 0
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("images to store")]


def test_a_dry_run_bounds_the_images_and_their_bytes(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every trajectory of this model goes to its cap and is refined in each iteration."""
    file, out = sweep_file(SWEEP.replace("model: mock", f"model: {LARGE}")), tmp_path / "r" / "x"
    unknown = f"images to store of mock: at most {6 + 6 * 6}, of unknown size until some are drawn"
    assert dry_lines(file, out, capsys) == [unknown]
    with monkeypatch.context() as patched:
        patched.setattr(MockModel, "blank", lambda _: Image.new("RGB", (128, 128)))
        (line,) = dry_lines(file, out, capsys)
    assert line.endswith("; about 1.4 MB by the pixels of its canvas, at most 2.9 MB if they cannot be compressed")
    draw_and_score(file, out, limit=2)
    (line,) = dry_lines(file, out, capsys)
    assert line.startswith(f"images to store of mock: at most {4 + 4 * 6}; about 114.7 kB by those in the store, ")
    with Store(tmp_path / "r" / "store", write=False) as store:
        plan = eh.plan(file)
        drawn = store.trajectories.get(plan.jobs)
        (forecast,) = disk_forecasts(plan, store, [job for key, job in plan.jobs.items() if key not in drawn])
    folder = tmp_path / "r" / "store" / "images"
    earlier = set(folder.rglob("*.png"))
    draw_and_score(file, out)
    images = set(folder.rglob("*.png")) - earlier
    assert len(images) == forecast.images == 4 + 4 * 6
    assert sum(-(-path.stat().st_size // 4096) * 4096 for path in images) <= forecast.images * forecast.most
    assert dry_lines(file, out, capsys) == []


def test_a_run_does_not_begin_if_its_images_do_not_fit(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = str(sweep_file(SWEEP.replace("model: mock", f"model: {LARGE}"))), tmp_path / "r" / "x"
    draw_and_score(Path(file), out, limit=2)
    MockModel.drawn.clear()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(free=9000))
    assert sweep.main([file, "--out", str(out), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"store: 9\.0 kB are free, .* need about 114\.7 kB; .* --no-space-check$", line)
    assert MockModel.drawn == []
    assert sweep.main([file, "--out", str(out), "--quiet", "--no-space-check"]) == 0
    assert sweep.main([file, "--out", str(out), "--quiet"]) == 0, "nothing is left to draw"


def test_failures_need_no_space_unless_they_are_tried_again(
    sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = (
        sweep_file(SWEEP.replace("model: mock", "model: {name: mock, refuses: [thing 3]}")),
        tmp_path / "r" / "x",
    )
    draw_and_score(file, out)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(free=0))
    eh.run(file, out=out, quiet=True).close()
    with pytest.raises(ConfigError, match="0 bytes are free"):
        eh.run(file, out=out, quiet=True, retry_failed=True)


def test_a_run_that_does_not_begin_leaves_no_record(
    sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MockModel, "blank", lambda _: Image.new("RGB", (128, 128)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(free=0))
    out = tmp_path / "r" / "x"
    with pytest.raises(ConfigError, match="0 bytes are free"):
        eh.run(sweep_file(SWEEP), out=out, quiet=True)
    with Store(tmp_path / "r" / "store", write=False) as store:
        assert store.runs.get(eh.plan(sweep_file(SWEEP)).key()) == {}
    assert {path.name for path in out.iterdir()} <= {".lock"}


def test_a_model_of_unknown_canvas_is_measured_by_its_first_samples(
    sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = str(sweep_file(SWEEP)), tmp_path / "r" / "x"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(free=20_000))
    assert sweep.main([file, "--out", str(out), "--quiet"]) == 2
    assert "20.0 kB are free" in capsys.readouterr().err
    drawn = len(MockModel.drawn)
    assert 0 < drawn <= 2 * 4, "one batch of each variant"
    with Store(tmp_path / "r" / "store", write=False) as store:
        assert len(list(store.scores.all())), "what is done is kept"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(free=10**9))
    assert sweep.main([file, "--out", str(out), "--quiet"]) == 0
    assert len(MockModel.drawn) == 6 + 2 * 6, "and nothing is drawn twice"


def test_a_store_on_a_network_file_system_is_warned_of(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(filesystems, "MOUNTS", mounts)
    assert sweep.main([str(sweep_file(SWEEP)), "--out", str(tmp_path / "r" / "x")]) == 0
    store = tmp_path / "r" / "store"
    line = f"warning: {store} is on a network file system (nfs4), where a database can be damaged; put the store on"
    assert capsys.readouterr().err.count(line) == 1
