"""HTTP downloads with retries that continue a partial file.

The transport is huggingface_hub's ``http_get``, for every URL: it retries, and it resumes with range requests. Its
``hf_hub_download`` resumes only files of the hub in a cache layout of its own, which could not serve as a mirror, and
pooch always starts again from the first byte, which does not do for checkpoints of many gigabytes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from evalharness._util import console
from evalharness._util.surroundings import check_surroundings, without_credentials
from evalharness.errors import EvalHarnessError

HUB = "https://huggingface.co/"
TIMEOUT_SECONDS = 30
"""Timeout of a small download."""


def download(url: str, file: IO[bytes], name: str, most: int | None = None) -> None:
    """Download the rest of a file.

    Args:
        url: the address of the complete file.
        file: the beginning of the file, open at its end; the missing bytes are appended.
        name: for the progress bar.
        most: the bytes that the complete file may have.

    Raises:
        EvalHarnessError: the server has no such file, sends too much, or cannot be reached. ``file`` keeps what
            arrived until then.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    url = _apply_hub_endpoint(url)
    check_surroundings(url)
    try:
        with _hub_errors_only():
            _append(url, _Limited(file, most, without_credentials(url)) if most is not None else file, name)
    except OfflineModeIsEnabled as error:
        offline = "HF_HUB_OFFLINE is set; unset it or use --mirror"
        raise EvalHarnessError(f"cannot download {without_credentials(url)}: {offline}") from error
    except HfHubHTTPError as error:
        status = f"{error.response.status_code} {error.response.reason_phrase}"
        raise EvalHarnessError(f"{without_credentials(url)}: {status}; use a --mirror that has the file") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _interrupted(url, error) from error
    except OSError as error:
        if error.errno is not None:  # a disk error; http_get's own complaint about a wrong length has no errno
            raise
        raise _interrupted(url, error) from error


def download_small(url: str, max_bytes: int) -> bytes | None:
    """Download a small file into memory.

    Returns:
        Its bytes, or ``None`` if the server has no such file.

    Raises:
        EvalHarnessError: the server cannot be reached or answers with an error, or the file exceeds ``max_bytes``.
    """
    import httpx2

    check_surroundings(url)
    try:
        with httpx2.stream("GET", url, follow_redirects=True, timeout=TIMEOUT_SECONDS) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            response.raise_for_status()
            data = b""
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > max_bytes:
                    raise EvalHarnessError(f"{without_credentials(url)} has more than {max_bytes} bytes")
            return data
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _interrupted(url, error) from error


def _without_password(text: str, url: str) -> str:
    """A message of a library without the user and password of the address, which it may quote."""
    with contextlib.suppress(ValueError):
        secret = urlsplit(url).netloc.rpartition("@")[0]
        for form in filter(None, {secret, unquote(secret), secret.partition(":")[2]}):
            text = text.replace(form, "…")
    return text


def _append(url: str, file: Any, name: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get

    options: dict[str, Any] = {
        "headers": {"Accept-Encoding": "identity"},  # otherwise a range would count compressed bytes
        "displayed_filename": name,
        "tqdm_class": None if sys.stderr.isatty() else ProgressLines,
    }
    try:
        http_get(url, file, resume_size=file.tell(), **options)
    except HfHubHTTPError as error:
        if error.response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # The file holds at least as many bytes as the server's, and is not the right one: start again.
        file.seek(0)
        file.truncate()
        http_get(url, file, **options)


def _interrupted(url: str, error: Exception) -> EvalHarnessError:
    reason = _without_password(" ".join(str(error).split()) or type(error).__name__, url)
    advice = "run the command again to continue, or use --mirror"
    return EvalHarnessError(f"cannot download {without_credentials(url)}: {reason}; {advice}")


def _apply_hub_endpoint(url: str) -> str:
    """Replace the hub by ``HF_ENDPOINT``, a mirror of all of it; digests are checked whatever the source."""
    endpoint = os.environ.get("HF_ENDPOINT")
    return f"{endpoint.rstrip('/')}/{url.removeprefix(HUB)}" if endpoint and url.startswith(HUB) else url


@contextlib.contextmanager
def _hub_errors_only() -> Iterator[None]:
    """Mute http_get's warnings about tries that it repeats; only the last error counts."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Limited:
    """A file that does not grow above a size, for a library that writes what a server sends."""

    def __init__(self, file: IO[bytes], most: int, url: str) -> None:
        self._file, self._most, self._url = file, most, url

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        if self._file.tell() + len(data) > self._most:
            self._file.seek(0)
            self._file.truncate()
            raise EvalHarnessError(f"{self._url} sends more than is announced; use a --mirror that has the file")
        return self._file.write(data)


class ProgressLines:
    """Replaces tqdm's progress bar outside a terminal: prints a line every ``interval`` seconds."""

    interval = 10.0

    def __init__(self, *, desc: str = "", total: int | None = None, initial: int = 0, **_: Any) -> None:
        self.name, self.total, self.done = desc, total, initial
        self.last_printed = time.monotonic()

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def update(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.last_printed < self.interval:
            return
        self.last_printed = time.monotonic()
        total = f" of {self.total / 1e6:.0f}" if self.total else ""
        console.write_error(f"{self.name}: {self.done / 1e6:.0f}{total} MB")
