"""Splits a stream into lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Iterable[T], size: int = 500) -> Iterator[list[T]]:
    """Give lists of ``size`` items; the last may be shorter. Items are taken only when their list is needed."""
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
