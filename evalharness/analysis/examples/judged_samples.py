"""The samples whose pictures are all scored, so that verdicts tell what a loop does.

A run scores final images. Which pictures are final depends on what the inspections said: a wrong picture that no
inspection named ends up as one, a wrong picture that was named and refined does not. Shares over the pictures that
happen to have a score are therefore biased. So some samples are chosen before anything is known of them, and all their
pictures are scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable

JUDGED_SAMPLES = 200
"""Samples of an arm on a benchmark whose pictures are all scored."""


def judged_samples(samples: Iterable[tuple[str, int]]) -> frozenset[tuple[str, int]]:
    """Choose among samples, each an item's id and the index of its seed, by the digests of these.

    The choice does not depend on the arm, so that arms are judged on the same prompts and seeds.
    """
    return frozenset(sorted(set(samples), key=_digest)[:JUDGED_SAMPLES])


def _digest(sample: Hashable) -> bytes:
    return hashlib.sha256(repr(sample).encode()).digest()
