"""Folders that the hub publishes, such as checkpoints, and the hub's listing of their files.

No digests of such files are known beforehand. The hub's answer (commit, sizes, digests) is kept beside the files in
``PUBLISHED.json``. An interrupted download is continued at the same commit, and every file is checked against the
listing, immediately and later. This detects a file that was truncated, damaged or replaced, even by a mirror; it cannot
tell whether the hub itself had the right file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from evalharness._util.cache_folder import cache_folder
from evalharness._util.file_digests import file_digest
from evalharness._util.files import write_text_atomically
from evalharness._util.validation import error_line
from evalharness.assets.asset import Asset
from evalharness.assets.download import HUB
from evalharness.errors import EvalHarnessError, WeightsError

LISTING = "PUBLISHED.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder of the hub.

    Attributes:
        folder: its place in the cache, and in a mirror.
        hub: the repository's name on the hub.
        required: for each file its name here, and the names that it may have on the hub, the preferred one first.
        one_of: groups of names, of which at least one group must be complete; existing files of the other groups are
            fetched, too.
        revision: the branch, tag or commit to ask for.
    """

    folder: str
    hub: str
    required: tuple[tuple[str, tuple[str, ...]], ...]
    one_of: tuple[tuple[str, ...], ...] = ()
    revision: str = "main"

    @property
    def name(self) -> str:
        return self.folder.rpartition("/")[2]

    @property
    def path(self) -> Path:
        """Its place in the cache, whether it exists or not."""
        return cache_folder() / self.folder

    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Name here → possible names on the hub, the preferred one first."""
        return dict(self.required) | {name: (name,) for names in self.one_of for name in names}

    def choose(self, available: Iterable[str], source: str) -> dict[str, str]:
        """Name here → name at the source, for each file that the source has.

        Args:
            available: names of the files at the source.
            source: what to call it in an error message.

        Raises:
            EvalHarnessError: the source lacks a file that is needed.
        """
        available = set(available)
        chosen = {}
        for name, candidates in self.candidates().items():
            matching = [candidate for candidate in candidates if candidate in available]
            if matching:
                chosen[name] = matching[0]
        for name, candidates in self.required:
            if name not in chosen:
                raise EvalHarnessError(f"{source} has no {' or '.join(candidates)}")
        if self.one_of and not any(chosen.keys() >= set(names) for names in self.one_of):
            raise EvalHarnessError(f"{source} has no {', or '.join(' and '.join(names) for names in self.one_of)}")
        return chosen


class ListedFile(BaseModel):
    """A file as listed by the hub.

    Attributes:
        source: its name on the hub.
        size: its size in bytes.
        sha256: the SHA-256 of a large file.
        git: the SHA-1 of a small file as a git blob.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)]
    size: NonNegativeInt
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    git: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""


class Listing(BaseModel):
    """The content of ``PUBLISHED.json``; files by their names here.

    ``commit`` is empty for files from a mirror without a listing: their digests are those of the first copy.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hub: str
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]
    date: str
    files: dict[str, ListedFile]

    def assets(self, snapshot: Snapshot) -> list[Asset]:
        base = f"{HUB}{self.hub}/resolve/{self.commit or snapshot.revision}"
        return [
            Asset(snapshot.folder, name, f"{base}/{file.source}", file.sha256, file.size, git_sha1=file.git)
            for name, file in self.files.items()
        ]


def require_snapshot(snapshot: Snapshot, command: str) -> Path:
    """The folder in the cache.

    Args:
        snapshot: the folder.
        command: fetches it; part of the error message.

    Raises:
        WeightsError: it has not been fetched, is incomplete, or a large file has changed since.
    """
    folder = snapshot.path
    listing = read_listing(snapshot, folder)
    if listing is None or not all((folder / name).is_file() for name in listing.files):
        problem = "is incomplete; continue with" if listing else "has not been fetched; do so with"
        raise WeightsError(f"{snapshot.name} {problem}: {command}")
    for name, file in listing.files.items():
        if file.sha256 and file_digest(folder / name) != file.sha256:
            raise WeightsError(f"{folder / name} is not the file that was fetched; replace it with: {command}")
    return folder


def read_listing(snapshot: Snapshot, folder: Path) -> Listing | None:
    """The listing kept in a folder, or ``None`` if there is none.

    Raises:
        WeightsError: it cannot be parsed, or is about other files.
    """
    path = folder / LISTING
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    return parse_listing(snapshot, data, str(path))


def parse_listing(snapshot: Snapshot, data: bytes, source: str) -> Listing:
    """Parse and check a listing, which is not trusted.

    Args:
        snapshot: what it should be about.
        data: its JSON.
        source: what to call it in an error message.

    Raises:
        WeightsError: it is not a listing, or is about other files.
    """
    try:
        listing = Listing.model_validate_json(data)
    except ValidationError as error:
        raise WeightsError(f"{source} is no listing: {error_line(error, Listing)}") from None
    unknown = sorted(listing.files.keys() - snapshot.candidates().keys())
    if listing.hub != snapshot.hub or unknown:
        raise WeightsError(f"{source} is not about {snapshot.hub}{': it names ' + unknown[0] if unknown else ''}")
    for name, _ in snapshot.required:
        if name not in listing.files:
            raise WeightsError(f"{source} does not list {name}")
    for name, file in listing.files.items():
        if not file.sha256 and not file.git:
            raise WeightsError(f"{source} has no digest of {name}")
    return listing


def write_listing(folder: Path, listing: Listing) -> None:
    """Write ``PUBLISHED.json``.

    Raises:
        EvalHarnessError: it cannot be written.
    """
    path = folder / LISTING
    try:
        write_text_atomically(path, json.dumps(listing.model_dump(), indent=2) + "\n")
    except OSError as error:
        raise EvalHarnessError(f"cannot write {path}: {error.strerror}") from error


def today() -> str:
    """The date in UTC, in the format of listings."""
    return datetime.now(UTC).date().isoformat()
