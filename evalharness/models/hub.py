"""Commits of repositories on the hub, which stand for their weights in identities."""

from __future__ import annotations

import re
from pathlib import Path

from evalharness.errors import WeightsError

COMMIT = re.compile(r"[0-9a-f]{40}")


def commit_of(name: str, revision: str | None) -> str:
    """The commit of a revision: asked of the hub, or without a network the one in its cache.

    Args:
        name: ``owner/name``.
        revision: Branch, tag or commit; ``None`` for ``main``.

    Raises:
        WeightsError: The hub has no such revision, or cannot be reached and the cache has none.
    """
    revision = revision or "main"
    if COMMIT.fullmatch(revision):
        return revision
    import httpx2
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return str(HfApi().model_info(name, revision=revision).sha)
    except HfHubHTTPError as error:
        if error.response.status_code < 500:
            raise WeightsError(f"the hub has no {name} at {revision}: {str(error).splitlines()[0]}") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # no network, or a server that is not the hub
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True)).name
    except LocalEntryNotFoundError:
        raise WeightsError(
            f"the hub cannot be reached, and {name} is not in its cache; download it where there is a network, and "
            "give its folder as weights"
        ) from None
