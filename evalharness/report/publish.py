"""Writes a report completely or not at all: it is made in a folder beside the real one and moved in, index last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalharness.errors import EvalHarnessError

MANIFEST = "data/files.json"
INDEX = "index.html"


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """An empty folder whose files move to ``out`` when the block succeeds; otherwise ``out`` stays as it was.

    Files of the previous report that the new one lacks are removed; files that no report wrote stay.

    Raises:
        EvalHarnessError: the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = out.parent / f".{out.name}.new"
        if folder.exists():  # left by a process that was killed
            shutil.rmtree(folder)
        folder.mkdir()
    except OSError as error:
        raise EvalHarnessError(f"cannot write the report to {out}: {error}; choose another folder") from error
    try:
        yield folder
        _move(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
