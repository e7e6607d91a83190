"""Multiplications and additions of BAGEL's passes in closed form, from its sizes alone."""

from __future__ import annotations

from collections.abc import Iterable

from evalharness.models.bagel.config import Sizes
from evalharness.models.bagel.embeddings import FREQUENCIES
from evalharness.models.bagel.sampler import Sampler

MARKERS = 2


def of_layers(sizes: Sizes, tokens: int, past: int) -> int:
    """Of all layers, for tokens that see a past and each other. Both experts are of one size."""
    language = sizes.language
    width, inner = language.hidden_size, language.num_attention_heads * language.head_width
    outer = language.num_key_value_heads * language.head_width
    weights = 2 * width * inner + 2 * width * outer + 3 * width * language.intermediate_size
    attention = 2 * inner * (past + tokens)
    return 2 * language.num_hidden_layers * tokens * (weights + attention)


def of_pass(sizes: Sizes, latents: int, past: int) -> int:
    """Of the velocity of one drawing of so many latent tokens behind a past."""
    width = sizes.language.hidden_size
    time = FREQUENCIES * width + width**2
    return of_layers(sizes, latents + MARKERS, past) + 2 * (2 * latents * sizes.latent_width * width + time)


def of_drawing(sizes: Sizes, sampler: Sampler, latents: int, pasts: Iterable[int], renew: int = 1) -> int:
    """Of all passes of a drawing. ``pasts``: of its context, then of those that guidance leads away from, which are
    looked at in every so many evaluations (``renew``)."""
    context, *guides = (of_pass(sizes, latents, past) for past in pasts)
    total, led = 0, False
    for number, (time, _) in enumerate(sampler.times()):
        due = sampler.guided(time) and (number % renew == 0 or not led)
        led = led or due
        total += context + (sum(guides) if due else 0)
    return total
