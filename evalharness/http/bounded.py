"""Reads the body of a response up to a limit, counted after decompression: a few bytes may stand for gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2

ENCODINGS = "gzip, deflate"
"""The encodings that are asked for, and read."""
_WINDOWS = {"gzip": 47, "x-gzip": 47, "deflate": 47}
"""Encoding → ``wbits`` of zlib, which reads both headers."""


class TooLargeError(Exception):
    """A response is larger than its limit."""


class Bounded(httpx2.AsyncByteStream):
    """The bytes of a response, decompressed.

    Args:
        stream: The bytes as they come.
        limit: Maximum number of decompressed bytes.
        encoding: The header ``Content-Encoding``.
    """

    def __init__(self, stream: Any, limit: int, encoding: str = "identity") -> None:
        self._stream, self._limit, self._encoding = stream, limit, encoding.strip().lower()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes.

        Raises:
            TooLargeError: There are more than the limit.
            httpx2.DecodingError: They are not of the encoding that the header names.
        """
        left, decompressor = self._limit, None
        if self._encoding not in ("", "identity"):
            if self._encoding not in _WINDOWS:
                raise httpx2.DecodingError(f"it is compressed by {self._encoding[:40]!r}, which was not asked for")
            decompressor = zlib.decompressobj(_WINDOWS[self._encoding])
        async for chunk in self._stream:
            data = chunk if decompressor is None else _decompressed(decompressor, chunk, left + 1)
            left -= len(data)
            if left < 0:
                raise TooLargeError(f"more than {self._limit / 2**20:g} MiB")
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


def _decompressed(decompressor: Any, chunk: bytes, most: int) -> bytes:
    try:
        return bytes(decompressor.decompress(chunk, most))
    except zlib.error as error:
        raise httpx2.DecodingError(f"it cannot be decompressed: {error}") from None
