"""A report is whole, or the one before it is still there."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalharness.errors import EvalHarnessError
from evalharness.report.publish import staged


def write(out: Path, **files: str) -> None:
    with staged(out) as folder:
        for name, text in {"index.html": "<html>", **files}.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def test_a_crash_leaves_the_report_before(tmp_path: Path) -> None:
    out = tmp_path / "report"
    write(out, a="old")
    with pytest.raises(RuntimeError), staged(out) as folder:
        (folder / "index.html").write_text("half")
        raise RuntimeError
    assert (out / "index.html").read_text() == "<html>"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".report.new-killed" / "data").mkdir(parents=True)
    (tmp_path / ".report.new-killed" / "stale").write_text("half")
    write(tmp_path / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert not (tmp_path / "report" / "stale").exists()


def test_files_of_the_old_report_go_and_others_stay(tmp_path: Path) -> None:
    out = tmp_path / "report"
    write(out, images__a="a", images__b="b")
    (out / "images" / "mine").write_text("not the report's")
    write(out, images__b="new")
    assert not (out / "images" / "a").exists()
    assert (out / "images" / "b").read_text() == "new"
    assert (out / "images" / "mine").exists()


def test_a_forged_manifest_removes_nothing_outside(tmp_path: Path) -> None:
    out = tmp_path / "report"
    write(out)
    (tmp_path / "precious").write_text("x")
    (out / "data" / "files.json").write_text('["../precious"]')
    write(out)
    assert (tmp_path / "precious").exists()


def test_index_is_moved_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: moved.append(self.name) or replace(self, target))
    write(tmp_path / "report", z="z")
    assert moved[-1] == "index.html"


def test_a_folder_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EvalHarnessError, match="cannot write the report to"), staged(tmp_path / "file"):
        pass


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    """The first is whole while the second is made; then the second is, and nothing of the first is left."""
    out = tmp_path / "report"
    with staged(out) as slow:
        (slow / "index.html").write_text("slow")
        (slow / "slow").write_text("s")
        with staged(out) as fast:
            assert fast != slow
            (fast / "index.html").write_text("fast")
            (fast / "fast").write_text("f")
        assert (out / "index.html").read_text() == "fast"
    assert (out / "index.html").read_text() == "slow"
    assert sorted(path.name for path in out.iterdir()) == ["data", "index.html", "slow"]
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
