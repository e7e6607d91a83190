"""Writes a report completely or not at all: it is made in a folder beside the real one, which then takes its place."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evalharness._util.files import write_text_atomically
from evalharness._util.staging import ASIDE, exchange, folder_lock, workspace
from evalharness.errors import ConfigError, EvalHarnessError

MANIFEST = "data/files.json"
INDEX = "index.html"


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """An empty folder that becomes ``out`` when the block succeeds; otherwise ``out`` stays as it was.

    Files of the previous report that the new one lacks are removed; files that no report wrote stay. Two at once have
    a folder each, and the one that succeeds last stays.

    Raises:
        EvalHarnessError: the folder cannot be made, or cannot take the place of ``out``.
    """
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            out = out.resolve()  # a link to a folder stays one
            folder = stack.enter_context(workspace(out, lambda old: _carry_over(old, out)))
            folder.chmod(out.stat().st_mode)
        except OSError as error:
            raise EvalHarnessError(f"cannot write the report to {out}: {error}; choose another folder") from error
        yield folder
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        _write_manifest(folder, names)
        with folder_lock(out):
            _replace(out, folder)


def _replace(out: Path, folder: Path) -> None:
    """Let a new report take the place of the old one, with what no report wrote."""
    _write_manifest(out, sorted(_manifest(out)))  # by which all else is known in the old folder, whoever looks there
    for path in out.iterdir():  # such as a lock that is held; what lies deeper follows
        if path.is_file() and path.name not in _manifest(out) and not (folder / path.name).exists():
            os.link(path, folder / path.name, follow_symlinks=False)
    here = Path.cwd()
    try:
        exchange(folder, out)
    except OSError as error:
        raise EvalHarnessError(f"cannot replace {out}: {error.strerror}; choose another folder") from error
    _carry_over(folder, out)
    if here.is_relative_to(out) and here.is_dir():
        os.chdir(here)  # it was moved away with the old folder


def require_publishable(out: Path) -> None:
    """Check that a report can take the place of a folder, before it is made.

    Raises:
        ConfigError: the folder is a mount point, or its parent cannot be written.
    """
    out = out.resolve()
    if out.is_mount():
        raise ConfigError(f"{out} is a mount point, which no report can replace; choose a folder in it as --out")
    try:
        with workspace(out):
            pass
    except OSError as error:
        raise ConfigError(
            f"a report is made beside its place, and {out.parent} cannot be written: {error.strerror}; "
            "choose another --out"
        ) from error


def _carry_over(old: Path, new: Path) -> None:
    """Move what no report wrote from an old folder to the new one; nothing of a folder that was not complete yet."""
    if old.name.endswith(ASIDE) and not (new / INDEX).is_file():
        _move_others(old, new, set(), "")  # a process was killed while neither had the place: back with all of it
    elif (old / MANIFEST).is_file():
        _move_others(old, new, _manifest(old) | {MANIFEST}, "")


def _move_others(old: Path, new: Path, written: set[str], inside: str) -> None:
    for path in (old / inside).iterdir():
        name = f"{inside}{path.name}"
        is_folder = path.is_dir() and not path.is_symlink()
        if is_folder and any(other.startswith(f"{name}/") for other in written):
            _move_others(old, new, written, f"{name}/")
        elif name not in written and not os.path.lexists(new / name):
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            path.rename(new / name)
        elif is_folder:
            _move_others(old, new, written, f"{name}/")


def _write_manifest(folder: Path, names: Sequence[str]) -> None:
    (folder / MANIFEST).parent.mkdir(exist_ok=True)
    write_text_atomically(folder / MANIFEST, json.dumps(names, indent=0))


def _manifest(out: Path) -> set[str]:
    try:
        names = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
