"""Writes a report completely or not at all: it is made in a folder beside the real one and moved in, index last."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evalharness.errors import EvalHarnessError

MANIFEST = "data/files.json"
INDEX = "index.html"


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """An empty folder whose files move to ``out`` when the block succeeds; otherwise ``out`` stays as it was.

    Files of the previous report that the new one lacks are removed; files that no report wrote stay. Two at once have
    a folder each, and the one that succeeds last stays.

    Raises:
        EvalHarnessError: the folder cannot be made.
    """
    prefix = f".{out.name}.new-"
    try:
        out.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(out.parent, prefix)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=out.parent))
        folder.chmod(out.stat().st_mode)
    except OSError as error:
        raise EvalHarnessError(f"cannot write the report to {out}: {error}; choose another folder") from error
    try:
        with _locked(folder):
            yield folder
            with _locked(out):
                _move(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder, which leaves no file.

    Raises:
        BlockingIOError: another process holds it, and ``wait`` is false.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the folders that processes left which were killed."""
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError), _locked(folder, wait=False):
            shutil.rmtree(folder)


def _move(folder: Path, out: Path) -> None:
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    previous = _manifest(out)
    (folder / MANIFEST).parent.mkdir(exist_ok=True)
    (folder / MANIFEST).write_text(json.dumps(names, indent=0), encoding="utf-8")
    for parent in {(out / name).parent for name in [*names, MANIFEST]}:
        parent.mkdir(parents=True, exist_ok=True)
    for name in [*(name for name in names if name != INDEX), MANIFEST, INDEX]:
        (folder / name).replace(out / name)
    for name in previous - set(names):
        _remove(out, name)


def _manifest(out: Path) -> set[str]:
    try:
        names = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _remove(out: Path, name: str) -> None:
    path = out / name
    if path.resolve().is_relative_to(out.resolve()) and path.is_file():
        path.unlink()
