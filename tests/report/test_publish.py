"""A report is whole, or the one before it is still there."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import SINGLE

import evalharness as eh
from evalharness._util import staging
from evalharness._util.files import atomic_folder, write_text_atomically
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.report import publish
from evalharness.report.publish import staged
from evalharness.store.store import Store
from evalharness.testing import MockModel


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


STEPS = ("exchange", "_carry_over", "_move_others", "_write_manifest")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_while_it_is_published_leaves_a_whole_report(tmp_path: Path, step: str, *, after: bool) -> None:
    """The old or the new one, with all that others put there; the next report cleans up."""
    out = tmp_path / "report"
    write(out, results="old", images__old="o")
    for name in (".lock", "notes.txt", "images/mine", "mine/deep/file"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    (out / "link").symlink_to("nowhere")
    process = os.fork()
    if not process:
        real = getattr(publish, step)

        def killed(*arguments: Any) -> None:
            if after:
                real(*arguments)
            os._exit(9)

        setattr(publish, step, killed)
        write(out, results="new", images__new="n")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    text = (out / "results").read_text()
    assert (out / "index.html").is_file() and (out / "images" / text).is_file()
    assert not (out / "images" / ("new" if text == "old" else "old")).exists()
    assert (out / ".lock").read_text() == "mine"
    write(out, results="last")
    assert [path.name for path in tmp_path.iterdir()] == ["report"], "no litter"
    for name in (".lock", "notes.txt", "images/mine", "mine/deep/file"):
        assert (out / name).read_text() == "mine"
    assert (out / "link").is_symlink()
    assert not (out / "images" / "old").exists() and not (out / "images" / "new").exists()


def test_all_of_it_appears_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the file system cannot exchange two folders."""
    out = tmp_path / "report"
    write(out, results="old")
    monkeypatch.setattr(staging.ctypes, "CDLL", lambda *_, **__: object())
    write(out, results="new")
    assert (out / "results").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_kill_while_no_report_has_the_place_loses_none(tmp_path: Path) -> None:
    """Where two folders cannot be exchanged, there is a moment without any."""
    out = tmp_path / "report"
    write(out, results="old", images__old="o")
    out.rename(tmp_path / ".report.new-abcdefgh_old")
    (tmp_path / ".report.new-abcdefgh").mkdir()
    with pytest.raises(RuntimeError), staged(out):
        raise RuntimeError
    assert (out / "results").read_text() == "old" and (out / "images" / "old").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_link_to_a_folder_and_the_working_directory_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "report").symlink_to(tmp_path / "big", target_is_directory=True)
    monkeypatch.chdir(tmp_path / "big")
    write(tmp_path / "report", results="new")
    assert (tmp_path / "report").is_symlink() and (tmp_path / "big" / "results").read_text() == "new"
    write(Path(), results="newer")
    assert Path("results").read_text() == "newer"


def test_where_no_report_can_be_is_noticed_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.yaml").write_text(SINGLE)
    mounts: set[Path] = set()
    monkeypatch.setattr(Path, "is_mount", lambda self: self in mounts)
    mounts.add(tmp_path / "out")
    with pytest.raises(ConfigError, match="is a mount point, which no report can replace; choose a folder in it"):
        eh.run(tmp_path / "tiny.yaml", out=tmp_path / "out", quiet=True)
    mounts.clear()

    def refuse(**_: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(staging.tempfile, "mkdtemp", refuse)
    with pytest.raises(ConfigError, match=r"cannot be written: Permission denied; choose another --out"):
        eh.run(tmp_path / "tiny.yaml", out=tmp_path / "out", quiet=True)
    assert MockModel.drawn == []


def test_temporary_files_of_processes_that_were_killed_are_removed(tmp_path: Path) -> None:
    """Long ago: the process of a fresh one may be on another machine, and one may be running here."""
    done = subprocess.Popen(["true"])
    done.wait()
    old = time.time() - 7200
    names = {f".status.json.{done.pid}": old, f".status.json.{os.getppid()}": old, ".status.json.notes": old}
    names |= {f".other.json.{done.pid}": old, ".status.json.1234567890123": old}
    for name, changed in names.items():
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (changed, changed))
    write_text_atomically(tmp_path / "status.json", "{}")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == set(names) - {f".status.json.{done.pid}"} | {"status.json"}


def test_what_a_killed_export_and_a_killed_run_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".export.new-abcdefgh" / "export").mkdir(parents=True)
    (tmp_path / ".export-notes").mkdir()
    with atomic_folder(tmp_path / "export") as folder:
        folder.mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".export-notes", "export"]
    Store(tmp_path / "store").close()
    temporary = tmp_path / "store" / "images" / "ab" / f".{'ab' * 32}.png.123"
    temporary.parent.mkdir()
    temporary.write_bytes(b"half")
    Store(tmp_path / "store", write=False).close()
    assert temporary.exists(), "who only reads removes nothing"
    Store(tmp_path / "store").close()
    assert not temporary.exists()


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
