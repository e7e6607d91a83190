"""Finds and removes what a store keeps and nothing refers to.

All trajectories of a store are kept, whatever plan they are of, and all images and scores of these. Replies of judges
are kept, too: they were paid for, and a budget is counted by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness._util.file_lock import LockedError, lock_file
from evalharness.errors import StoreError
from evalharness.store.database import as_store_error
from evalharness.store.store import Store, temporary_files

IMAGE = re.compile(r"([0-9a-f]{64})\.png")


@dataclass(frozen=True, slots=True)
class Garbage:
    """What nothing refers to.

    Attributes:
        images: Image files that no trajectory has.
        tracebacks: Files with tracebacks that no failure names.
        temporaries: Files that were being written when a process was killed.
        image_rows: Digests in the table of images that no trajectory has.
        score_rows: Keys of scores of images that no trajectory has.
        feature_rows: Keys of features of such images.
    """

    images: tuple[Path, ...]
    tracebacks: tuple[Path, ...]
    temporaries: tuple[Path, ...]
    image_rows: tuple[str, ...]
    score_rows: tuple[str, ...]
    feature_rows: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        return self.images + self.tracebacks + self.temporaries

    def bytes(self) -> int:
        """Size of all files; of what disappeared meanwhile, none."""
        return sum(path.stat().st_size for path in self.files if path.is_file())


def find_garbage(path: Path) -> Garbage:
    """Find what nothing in a store refers to; nothing is changed.

    Raises:
        StoreError: A run writes to the store, or the store cannot be read.
    """
    with as_store_error(path):
        try:
            lock = lock_file(path / "lock")
        except LockedError as error:
            raise _in_use(path, error.pid) from None
        try:
            with Store(path, write=False) as store:
                return _garbage(store)
        finally:
            lock.release()


def remove_garbage(path: Path) -> tuple[Garbage, int]:
    """Find and remove what nothing in a store refers to: rows first, then files.

    Returns:
        What was removed, and the number of bytes of its files.

    Raises:
        StoreError: A run writes to the store, or the store cannot be read or written.
    """
    temporaries = {file: file.stat().st_size for file in temporary_files(path) if file.is_file()}
    with Store(path) as store:  # opening it to write removes the temporary files
        garbage = _garbage(store)
        size = garbage.bytes() + sum(temporaries.values())
        garbage = replace(garbage, temporaries=tuple(sorted(temporaries)))
        with store.database.transaction():
            store.images.forget(garbage.image_rows)
            store.scores.delete(garbage.score_rows)
            store.features.delete(garbage.feature_rows)
        with as_store_error(path):
            for file in garbage.files:
                file.unlink(missing_ok=True)
    return garbage, size


def _garbage(store: Store) -> Garbage:
    drawn = {step["image"] for _, row in store.trajectories.all() for step in row["steps"]}
    named = {store.path / row.traceback for _, row in store.failures.all() if row.traceback}
    with as_store_error(store.path):
        images = [path for path, digest in _image_files(store.path / "images") if digest not in drawn]
        tracebacks = [path for path in (store.path / "failures").glob("*/*.txt") if path not in named]
        temporaries = list(temporary_files(store.path))
    return Garbage(
        images=tuple(sorted(images)),
        tracebacks=tuple(sorted(path for path in tracebacks if not path.name.startswith("."))),
        temporaries=tuple(sorted(temporaries)),
        image_rows=tuple(digest for digest in store.images.known() if digest not in drawn),
        score_rows=tuple(key for key, image, _ in store.scores.all() if image not in drawn),
        feature_rows=tuple(key for key, image, _ in store.features.all() if image not in drawn),
    )


def _image_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The image files of a store with their digests; files of other names are not the store's."""
    for path in folder.glob("*/*.png"):
        match = IMAGE.fullmatch(path.name)
        if match is not None and path.parent.name == match[1][:2]:
            yield path, match[1]


def _in_use(path: Path, pid: str) -> StoreError:
    return StoreError(f"{path} is being written by another process (pid {pid}); wait until it has ended")
