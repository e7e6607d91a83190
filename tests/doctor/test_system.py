"""How checks are run, and those of packages, disks and fetched files; each of them can fail."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalharness.assets.asset import SUMS, Asset
from evalharness.doctor import system
from evalharness.doctor.check_result import CheckResult, fail, ok, run_checks
from evalharness.doctor.fetched_files import check_fetched
from evalharness.errors import WeightsError


def statuses(findings: Iterator[CheckResult]) -> list[str]:
    return [finding.status for finding in findings]


def test_a_check_that_raises_does_not_hide_the_next() -> None:
    def raises(error: Exception) -> Any:
        def check() -> Iterator[CheckResult]:
            yield ok("first half", "fine")
            raise error

        return check

    checks = [
        ("missing", raises(WeightsError("no weights here; fetch them"))),
        ("broken", raises(RuntimeError("CUDA error:\nno kernel image"))),
        ("last", lambda: [ok("last", "reached")]),
    ]
    lines = [finding.line() for finding in run_checks(checks)]
    assert lines == [
        "ok    first half: fine",
        "fail  missing: no weights here; fetch them",
        "ok    first half: fine",
        "fail  broken: RuntimeError: CUDA error: no kernel image; what this check uses does not work here",
        "ok    last: reached",
    ]
    assert fail("x", "bad", "mend it").line() == "fail  x: bad; mend it"


REQUIRED = [
    "torch>=2.14",
    'mmdet==3.3.0; extra == "geneval"',
    'pytest>=8; extra == "dev"',
    'evalharness[geneval]; extra == "dev"',
    'winonly>=1; sys_platform == "win32"',
]


@pytest.mark.parametrize(
    ("installed", "beginnings"),
    [
        ({"torch": "2.14.1"}, []),
        ({"torch": "2.14.1+cu130", "mmdet": "3.3.0"}, []),
        ({"torch": "2.15.0.dev1"}, []),
        ({}, ["fail  packages: no torch is installed, torch>=2.14 is needed; pip install 'torch>=2.14'"]),
        ({"torch": "2.13.0"}, ["fail  packages: torch 2.13.0 is installed, torch>=2.14 is needed; pip install"]),
        (
            {"torch": "2.14.1", "mmdet": "3.1.0"},
            ["warn  packages: mmdet 3.1.0 is installed, the extra geneval needs mmdet==3.3.0; pip install 'mmdet==3.3"],
        ),
    ],
)
def test_packages(installed: dict[str, str], beginnings: list[str]) -> None:
    lines = [finding.line() for finding in system.check_packages(REQUIRED, installed.get)]
    if beginnings:
        assert [line.startswith(begin) for line, begin in zip(lines, beginnings, strict=True)] == [True]
    else:
        assert [line.startswith("ok    packages: python 3") for line in lines] == [True]


def test_the_packages_here_are_those_that_are_needed() -> None:
    assert statuses(system.check_packages()) == ["ok"]
    assert statuses(system.check_python()) == ["ok"]


@pytest.mark.parametrize(
    ("free", "need", "status", "words"),
    [
        (500e9, 0, "ok", "500.0 GB free"),
        (500e9, 30e9, "ok", "about 30.0 GB are needed"),
        (20e9, 30e9, "warn", "20.0 GB free, about 30.0 GB are needed; use another disk"),
        (5e9, 0, "warn", "5.0 GB free; large models"),
        (0.2e9, 0, "fail", "0.2 GB free; free some space"),
    ],
)
def test_disks(tmp_path: Path, free: float, need: float, status: str, words: str) -> None:
    paths: list[Path] = []

    def room(folder: Path) -> float:
        paths.append(folder)
        return free

    (finding,) = system.check_disks({"store": tmp_path / "not" / "yet"}, {"store": need}, room)
    assert (finding.status, paths) == (status, [tmp_path])
    assert words in finding.line()


def test_a_disk_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (finding,) = system.check_disks({"store": tmp_path})
    assert finding.line() == f"fail  disk: store {tmp_path} cannot be written; change the permissions of {tmp_path}"


def test_torchvision_of_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.ops

    assert statuses(system.check_torch()) == ["ok"]

    def missing(*_: Any) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.ops, "nms", missing)
    (finding,) = system.check_torch()
    assert finding.status == "fail"
    assert "pip install --upgrade torch torchvision" in finding.advice


def test_fetched_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path))
    plain = Asset("some", "plain.bin", "http://127.0.0.1:9/", hashlib.sha256(b"right").hexdigest())
    made = replace(plain, name="made.pth", convert=lambda file, folder: None)
    plugins = {"both": [plain, made], "one": [made]}

    def lines() -> list[str]:
        return [finding.line() for finding in check_fetched(plugins)]

    assert lines() == ["ok    fetched: both: none of 2 files is there (evalharness fetch both)"]
    plain.path.parent.mkdir()
    plain.path.write_bytes(b"right")
    assert lines() == ["ok    fetched: both: 1 of 2 files are there and right (evalharness fetch both)"]
    made.path.write_bytes(b"right")
    assert lines() == ["warn  fetched: made.pth is not converted; evalharness fetch both does it"]
    folder = made.converted_path
    folder.mkdir()
    (folder / "model").write_bytes(b"weights")
    (folder / SUMS).write_text(f"{hashlib.sha256(b'weights').hexdigest()}  model\n")
    assert lines() == ["ok    fetched: both: 2 of 2 files are there and right"]
    (folder / "model").write_bytes(b"damaged")
    plain.path.write_bytes(b"wrong")
    assert lines() == [
        f"fail  fetched: {plain.path} is not the published file; evalharness fetch both replaces it",
        f"fail  fetched: {folder / 'model'} is not as it was converted; evalharness fetch both replaces it",
    ]
