"""Right and wrong images with a known truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def images(
    generator: np.random.Generator, share: float, correlation: float, prompts: int, seeds: int, runs: int
) -> Floats:
    """0 or 1, (prompts × seeds, runs), a run each column; two images of a prompt have this correlation.

    Each prompt has a chance of its own, from a beta distribution: the correlation is 1 / (a + b + 1).
    """
    if correlation == 0:
        chances = np.full((prompts, runs), share)
    else:
        total = 1 / correlation - 1
        chances = generator.beta(share * total, (1 - share) * total, size=(prompts, runs))
    drawn = generator.random((prompts, seeds, runs)) < chances[:, None, :]
    return drawn.astype(float).reshape(prompts * seeds, runs)


def layout(prompts: int, seeds: int, categories: str) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Item and category of each sample, as many prompts in each category."""
    names = np.array([f"{category}{prompt:03d}" for category in categories for prompt in range(prompts)])
    return np.repeat(names, seeds), np.repeat(list(categories), prompts * seeds)
