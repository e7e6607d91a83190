"""Weights in a folder or on the hub, where the commit of a repository stands for them in identities."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness.errors import WeightsError

COMMIT = re.compile(r"[0-9a-f]{40}")


class WeightsSource(BaseModel):
    """Settings that name weights.

    Attributes:
        weights: A folder.
        hub: In place of ``weights``, a repository on the hub.
        revision: Branch, tag or commit of ``hub``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Path | None = None
    hub: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.weights is None) == (self.hub is None):
            raise ValueError("give either weights (a folder) or hub (owner/name)")
        if self.hub is None and self.revision is not None:
            raise ValueError("a revision belongs to a hub name; a folder has none")
        return self

    def hub_identity(self) -> dict[str, str]:
        """The identity of weights on the hub.

        Raises:
            WeightsError: The commit cannot be found.
        """
        return {"hub": str(self.hub), "revision": commit_of(str(self.hub), self.revision)}


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
