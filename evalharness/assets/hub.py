"""Fetches folders of the hub, from the hub or from a mirror."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from evalharness._util.cache_folder import cache_folder
from evalharness._util.file_digests import file_digest
from evalharness._util.surroundings import check_surroundings, without_credentials
from evalharness.assets.asset import Asset
from evalharness.assets.download import HUB, download_small
from evalharness.assets.fetch import Log, fetch_asset, mirror_source
from evalharness.assets.listing import (
    LISTING,
    ListedFile,
    Listing,
    Snapshot,
    parse_listing,
    read_listing,
    today,
    write_listing,
)
from evalharness.errors import EvalHarnessError, WeightsError

MAX_LISTING_BYTES = 1 << 20


def fetch_snapshot(snapshot: Snapshot, log: Log, *, mirror: str | None = None, root: Path | None = None) -> list[Path]:
    """Fetch the files of a hub folder that are not in their places already.

    Args:
        snapshot: the folder.
        log: receives lines about the progress.
        mirror: the only source if given.
        root: the folder to fill in place of the cache.

    Returns:
        The files' paths under ``root``.

    Raises:
        EvalHarnessError: a file cannot be fetched, or is not the listed one.
    """
    folder = (root or cache_folder()) / snapshot.folder
    listing = read_listing(snapshot, folder)
    if listing is None and mirror is not None:
        listing = _read_mirror_listing(snapshot, mirror)
        if listing is None:
            return _fetch_unlisted(snapshot, log, mirror, folder, root)
    listing = listing or request_listing(snapshot)
    write_listing(folder, listing)
    paths = []
    for asset in listing.assets(snapshot):
        # A mirror without a listing still has the hub's names; a filled one has ours.
        mirror_name = None if listing.commit else listing.files[asset.name].source
        try:
            paths.append(fetch_asset(asset, log, mirror=mirror, root=root, mirror_name=mirror_name))
        except WeightsError:
            if not any((folder / name).is_file() for name in listing.files):
                (folder / LISTING).unlink(missing_ok=True)  # nothing here is of this listing, which may be wrong itself
            raise
    log(_summary(snapshot, listing))
    return paths


def request_listing(snapshot: Snapshot) -> Listing:
    """Ask the hub, or its mirror that ``HF_ENDPOINT`` names, for the commit and the digests of the files.

    Raises:
        EvalHarnessError: it cannot be asked, or lacks a file.
    """
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    check_surroundings(os.environ.get("HF_ENDPOINT") or HUB)
    try:
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or HUB.rstrip("/"))
        info = api.model_info(snapshot.hub, revision=snapshot.revision, files_metadata=True)
        siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        commit = str(info.sha)
    except HfHubHTTPError as error:
        status = f"{error.response.status_code} {error.response.reason_phrase}"
        raise EvalHarnessError(f"the hub answers {status} when asked for {snapshot.hub}; use a --mirror") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise EvalHarnessError(
            f"the hub cannot be asked for {snapshot.hub}: {reason}; try again, or use a --mirror"
        ) from None
    chosen = snapshot.choose(siblings, f"{snapshot.hub} on the hub")
    files = {name: _file_entry(siblings[source], source) for name, source in chosen.items()}
    answer = {"hub": snapshot.hub, "commit": commit, "date": today(), "files": files}
    return parse_listing(snapshot, json.dumps(answer).encode(), f"what the hub says of {snapshot.hub}")


def _file_entry(sibling: Any, source: str) -> dict[str, Any]:
    """A file as listed, from a ``RepoSibling`` of huggingface_hub."""
    digest = {"sha256": sibling.lfs.sha256} if sibling.lfs else {"git": sibling.blob_id}
    return {"source": source, "size": sibling.size} | digest


def _read_mirror_listing(snapshot: Snapshot, mirror: str) -> Listing | None:
    """The listing that a mirror has, or ``None`` if it has none."""
    source = mirror_source(snapshot.folder, LISTING, mirror)
    if isinstance(source, Path):
        return read_listing(snapshot, source.parent)
    data = download_small(source, MAX_LISTING_BYTES)
    return None if data is None else parse_listing(snapshot, data, without_credentials(source))


def _fetch_unlisted(snapshot: Snapshot, log: Log, mirror: str, folder: Path, root: Path | None) -> list[Path]:
    """Fetch from a mirror that is a mere copy of the files. They cannot be checked; their digests are recorded."""
    source = mirror_source(snapshot.folder, LISTING, mirror)
    if not isinstance(source, Path):
        raise EvalHarnessError(
            f"{without_credentials(mirror)} has no {snapshot.folder}/{LISTING}; fill it with: "
            "evalharness fetch NAME --to DIR"
        )
    mirror_folder = source.parent
    available = [path.name for path in mirror_folder.iterdir()] if mirror_folder.is_dir() else []
    files, paths = {}, []
    for name, mirror_name in snapshot.choose(available, str(mirror_folder)).items():
        asset = Asset(snapshot.folder, name, "", "", (mirror_folder / mirror_name).stat().st_size)
        path = fetch_asset(asset, log, mirror=mirror, root=root, mirror_name=mirror_name)
        files[name] = ListedFile(source=mirror_name, size=path.stat().st_size, sha256=file_digest(path))
        paths.append(path)
    write_listing(folder, Listing(hub=snapshot.hub, commit="", date=today(), files=files))
    log(
        f"{snapshot.name}: {len(paths)} files, not checked: the mirror has no {LISTING}, so nobody says what they "
        "should be; their digests as they are now were recorded"
    )
    return paths


def _summary(snapshot: Snapshot, listing: Listing) -> str:
    count = len(listing.files)
    if not listing.commit:
        return (
            f"{snapshot.name}: {count} files as they were first found on {listing.date}; nobody has said what "
            "they should be"
        )
    large = sum(bool(file.sha256) for file in listing.files.values())
    small = f" and the git digests of {count - large}" if large < count else ""
    return (
        f"{snapshot.name}: {count} files of {listing.hub} at commit {listing.commit[:12]}, checked against the "
        f"SHA-256 of {large}{small} that the hub listed on {listing.date}; none was known beforehand"
    )
