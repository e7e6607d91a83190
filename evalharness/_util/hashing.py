"""Digests of JSON, and the seeds of samples that follow from them."""

from __future__ import annotations

import hashlib
import json
from json.encoder import encode_basestring_ascii
from typing import Any


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces, plain ASCII. NaN is refused (ValueError)."""
    if type(value) is str:
        return encode_basestring_ascii(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


class Digests:
    """Digests of many lists ``[*head, *rest]`` with the same head; ``rest`` holds strings and integers.

    The results are those of :func:`digest`, in a quarter of the time, since a large sweep needs millions of digests.
    """

    def __init__(self, *head: Any) -> None:
        self._begun = hashlib.sha256(canonical(list(head))[:-1].encode())

    def __call__(self, *rest: str | int) -> str:
        """``head`` must not be empty."""
        sha256 = self._begun.copy()
        words = [encode_basestring_ascii(part) if isinstance(part, str) else int.__repr__(part) for part in rest]
        sha256.update(f",{','.join(words)}]".encode())
        return sha256.hexdigest()


def sample_seed(sweep_seed: int, benchmark: str, item: str, index: int) -> int:
    """The seed of one sample, in 0 .. 2**63 - 1.

    It does not depend on the arm, so all arms of a sweep start from the same noise and can be compared in pairs.
    """
    return seed_of(digest(["seed", sweep_seed, benchmark, item, index]))


def seed_of(digest: str) -> int:
    """A seed from a digest: its first 63 bits."""
    return int(digest[:16], 16) >> 1
