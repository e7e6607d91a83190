"""Digests of JSON, and the seeds of samples that follow from them."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces, plain ASCII. NaN is refused (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def sample_seed(sweep_seed: int, benchmark: str, item: str, index: int) -> int:
    """The seed of one sample, in 0 .. 2**63 - 1.

    It knows nothing of the arm, so all arms of a sweep start from the same noise and can be compared in pairs.
    """
    return int(digest(["seed", sweep_seed, benchmark, item, index])[:16], 16) >> 1
