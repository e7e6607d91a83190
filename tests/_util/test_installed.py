"""Entry points are read once, and again when a package is installed."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

from evalharness._util.installed import entry_points

GROUP = "evalharness.teachers"


def install(folder: Path, name: str) -> None:
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = json:loads\n")


def names() -> set[str]:
    return {entry.name for entry in entry_points(GROUP)}


def test_a_package_is_found_as_soon_as_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names()
    install(tmp_path, "first")
    assert names() == before
    monkeypatch.syspath_prepend(tmp_path)
    assert names() == before | {"first"}
    install(tmp_path, "second")
    os.utime(tmp_path, ns=(0, tmp_path.stat().st_mtime_ns + 1))  # on file systems with coarse times
    assert names() == before | {"first", "second"}


def test_metadata_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = names()
    monkeypatch.setattr(metadata, "entry_points", lambda: pytest.fail("the metadata was read again"))
    assert names() == before
