import hashlib
import os
from pathlib import Path

import pytest

from evalharness._util.file_digests import file_digest, folder_digest
from evalharness.errors import WeightsError


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    assert file_digest(file) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert file_digest(file) == hashlib.sha256(b"two").hexdigest()


def test_a_folder_is_its_names_and_contents(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "x.json").write_text("{}")
    assert folder_digest(tmp_path / "a") == folder_digest(tmp_path / "b")
    (tmp_path / "b" / "y.bin").write_bytes(b"")
    assert folder_digest(tmp_path / "a") != folder_digest(tmp_path / "b")
    assert folder_digest(tmp_path / "a", "**/*.json") == folder_digest(tmp_path / "b", "**/*.json")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        file_digest(tmp_path / "none")
    with pytest.raises(WeightsError, match="no folder"):
        folder_digest(tmp_path / "none")
