from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from evalharness._util.file_lock import LockedError, lock_file
from evalharness._util.files import atomic_folder, atomic_path, write_text_atomically


def test_a_file_is_replaced_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text_atomically(path, "before")
    with atomic_path(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_stays_as_it_was_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("torn")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_disk_is_not_hidden_by_the_cleaning_up(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        write_text_atomically(tmp_path / "file" / "a.txt", "text")


def test_a_folder_is_replaced_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for name in ("before", "after"):
        with atomic_folder(path) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [file.name for file in path.iterdir()] == ["after"]
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_folder_stays_as_it_was_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "before").touch()
    with pytest.raises(ValueError, match="broken"), atomic_folder(path) as temporary:
        temporary.mkdir()
        raise ValueError("broken")
    assert [file.name for file in path.iterdir()] == ["before"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_names_its_holder(tmp_path: Path) -> None:
    lock = lock_file(tmp_path / "lock")
    with pytest.raises(LockedError, match=f"locked by process {os.getpid()}"):
        lock_file(tmp_path / "lock")
    lock.release()
    lock_file(tmp_path / "lock").release()
