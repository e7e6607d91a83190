"""Folders that the hub publishes, such as checkpoints, of whose files no digests are known beforehand.

What the hub says of the files (commit, sizes, digests) is asked once and kept beside them, in ``PUBLISHED.json``: what
breaks off is continued at the same commit, and every file is checked against it, then and later. That tells a file that
is torn, damaged or exchanged since, also by a mirror; it cannot tell whether the hub itself had the right one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from evalharness._util.file_digests import file_digest
from evalharness._util.files import write_text_atomically
from evalharness._util.validation import error_line
from evalharness.assets import fetch as fetching
from evalharness.assets.asset import Asset, cache
from evalharness.assets.download import HUB, fetch_text
from evalharness.errors import EvalHarnessError, WeightsError

LISTING = "PUBLISHED.json"
MAX_LISTING = 1 << 20
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``folder``: its place in the cache, and in a mirror. ``hub``: its name there.

    ``required``: each file's name here, and those that it may have on the hub. Of ``one_of``, groups of names, one must
    be there whole; what is there of the others is taken, too.
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
        """Its place in the cache, whether it is there or not."""
        return cache() / self.folder

    def choices(self) -> dict[str, tuple[str, ...]]:
        """Name here → names on the hub, the preferred one first."""
        return dict(self.required) | {name: (name,) for names in self.one_of for name in names}


class File(BaseModel):
    """What was said of a file: ``source`` is its name on the hub; ``git`` the SHA-1 of a small one as git counts it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)]
    size: NonNegativeInt
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    git: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""


class Listing(BaseModel):
    """``PUBLISHED.json``. ``commit`` is empty if nobody said what the files should be: they are as they were found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hub: str
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]
    date: str
    files: dict[str, File]


def fetch(snapshot: Snapshot, say: Say, *, mirror: str | None = None, root: Path | None = None) -> list[Path]:
    """The files' places under ``root`` (by default the cache), where they are when this returns.

    Raises:
        EvalHarnessError: one cannot be had, or is not what was listed.
    """
    folder = (root or cache()) / snapshot.folder
    listing = read(snapshot, folder) or (_of_mirror(snapshot, mirror) if mirror else ask_hub(snapshot))
    if listing is None:
        assert mirror is not None
        return _as_found(snapshot, say, mirror, root, folder)
    _write(folder, listing)
    paths = []
    for asset in assets(snapshot, listing):
        named = None if listing.commit else listing.files[asset.name].source
        paths.append(fetching.fetch(asset, say, mirror=mirror, root=root, named=named))
    if not listing.commit:
        say(
            f"{snapshot.name}: {len(paths)} files as they were first found on {listing.date}; nobody has said what "
            "they should be"
        )
        return paths
    large = sum(bool(file.sha256) for file in listing.files.values())
    small = f" and the git digests of {len(paths) - large}" if large < len(paths) else ""
    say(
        f"{snapshot.name}: {len(paths)} files of {listing.hub} at commit {listing.commit[:12]}, checked against the "
        f"SHA-256 of {large}{small} that the hub listed on {listing.date}; none was known beforehand"
    )
    return paths


def assets(snapshot: Snapshot, listing: Listing) -> list[Asset]:
    """The listed files as assets."""
    base = f"{HUB}{listing.hub}/resolve/{listing.commit or snapshot.revision}"
    return [
        Asset(snapshot.folder, name, f"{base}/{file.source}", file.sha256, file.size, git=file.git)
        for name, file in listing.files.items()
    ]


def fetched(snapshot: Snapshot, command: str) -> Path:
    """The folder in the cache.

    Raises:
        WeightsError: it is not there, or not whole; the message says that ``command`` fetches it.
    """
    folder = snapshot.path
    listing = read(snapshot, folder)
    if listing is None or not all((folder / name).is_file() for name in listing.files):
        how = "is not whole; continue with" if listing else "has not been fetched; do so with"
        raise WeightsError(f"{snapshot.name} {how}: {command}")
    for name, file in listing.files.items():
        if file.sha256 and file_digest(folder / name) != file.sha256:
            raise WeightsError(f"{folder / name} is not the file that was fetched; replace it with: {command}")
    return folder


def read(snapshot: Snapshot, folder: Path) -> Listing | None:
    """What is kept in a folder of what was said of its files; ``None`` if nothing is.

    Raises:
        WeightsError: it cannot be understood, or speaks of other files.
    """
    path = folder / LISTING
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    return _parsed(snapshot, text, str(path))


def ask_hub(snapshot: Snapshot) -> Listing:
    """What the hub, or the one that ``HF_ENDPOINT`` names, says of the files.

    Raises:
        EvalHarnessError: it cannot be asked, or lacks a file.
    """
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or HUB.rstrip("/"))
        info = api.model_info(snapshot.hub, revision=snapshot.revision, files_metadata=True)
        found = {one.rfilename: one for one in info.siblings or ()}
        commit = str(info.sha)
    except HfHubHTTPError as error:
        status = f"{error.response.status_code} {error.response.reason_phrase}"
        raise EvalHarnessError(f"the hub answers {status} when asked for {snapshot.hub}; use a --mirror") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise EvalHarnessError(
            f"the hub cannot be asked for {snapshot.hub}: {what}; try again, or use a --mirror"
        ) from None
    chosen = _chosen(snapshot, found, f"{snapshot.hub} on the hub")
    files = {name: _said(found[source], source) for name, source in chosen.items()}
    data = {"hub": snapshot.hub, "commit": commit, "date": _today(), "files": files}
    return _parsed(snapshot, json.dumps(data).encode(), f"what the hub says of {snapshot.hub}")


def _said(sibling: Any, source: str) -> dict[str, Any]:
    digest = {"sha256": sibling.lfs.sha256} if sibling.lfs else {"git": sibling.blob_id}
    return {"source": source, "size": sibling.size} | digest


def _chosen(snapshot: Snapshot, names: Iterable[str], where: str) -> dict[str, str]:
    """Name here → name there, of all that is there.

    Raises:
        EvalHarnessError: a file that must be there is not.
    """
    there = set(names)
    found = {name: next((one for one in ones if one in there), "") for name, ones in snapshot.choices().items()}
    for name, ones in snapshot.required:
        if not found[name]:
            raise EvalHarnessError(f"{where} has no {' or '.join(ones)}")
    if snapshot.one_of and not any(all(found[name] for name in names) for names in snapshot.one_of):
        raise EvalHarnessError(f"{where} has no {', or '.join(' and '.join(names) for names in snapshot.one_of)}")
    return {name: source for name, source in found.items() if source}


def _of_mirror(snapshot: Snapshot, mirror: str) -> Listing | None:
    """The listing that a mirror has; ``None`` if it has none."""
    source = fetching.source_of(snapshot.folder, LISTING, mirror)
    if isinstance(source, Path):
        return read(snapshot, source.parent)
    text = fetch_text(source, MAX_LISTING)
    return None if text is None else _parsed(snapshot, text, source)


def _as_found(snapshot: Snapshot, say: Say, mirror: str, root: Path | None, folder: Path) -> list[Path]:
    """From a mirror that is a mere copy of the files: nobody says what they should be; their digests are recorded."""
    place = fetching.source_of(snapshot.folder, LISTING, mirror)
    if not isinstance(place, Path):
        raise EvalHarnessError(
            f"{mirror} has no {snapshot.folder}/{LISTING}; fill it with: evalharness fetch NAME --to DIR"
        )
    there = [one.name for one in place.parent.iterdir()] if place.parent.is_dir() else []
    chosen = _chosen(snapshot, there, str(place.parent))
    files, paths = {}, []
    for name, source in chosen.items():
        size = (place.parent / source).stat().st_size
        path = fetching.fetch(Asset(snapshot.folder, name, "", "", size), say, mirror=mirror, root=root, named=source)
        files[name] = File(source=source, size=path.stat().st_size, sha256=file_digest(path))
        paths.append(path)
    _write(folder, Listing(hub=snapshot.hub, commit="", date=_today(), files=files))
    say(
        f"{snapshot.name}: {len(paths)} files, not checked: the mirror has no {LISTING}, so nobody says what they "
        "should be; their digests as they are now were recorded"
    )
    return paths


def _parsed(snapshot: Snapshot, text: bytes, where: str) -> Listing:
    try:
        listing = Listing.model_validate_json(text)
    except ValidationError as error:
        raise WeightsError(f"{where} is no listing: {error_line(error, Listing)}") from None
    known = snapshot.choices()
    other = sorted(listing.files.keys() - known.keys())
    if listing.hub != snapshot.hub or other:
        raise WeightsError(f"{where} is not about {snapshot.hub}{': it names ' + other[0] if other else ''}")
    if lacking := [name for name, _ in snapshot.required if name not in listing.files]:
        raise WeightsError(f"{where} does not list {lacking[0]}")
    if blank := [name for name, file in listing.files.items() if not file.sha256 and not file.git]:
        raise WeightsError(f"{where} has no digest of {blank[0]}")
    return listing


def _write(folder: Path, listing: Listing) -> None:
    text = json.dumps(listing.model_dump(), indent=2) + "\n"
    path = folder / LISTING
    try:
        write_text_atomically(path, text)
    except OSError as error:
        raise EvalHarnessError(f"cannot write {path}: {error.strerror}") from error


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
