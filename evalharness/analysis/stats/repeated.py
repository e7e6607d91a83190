"""The expected best of k images of a prompt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats


def best_of(values: npt.ArrayLike) -> Floats:
    """The expected best score of k images of each prompt, for k = 1 … m: (prompts, m) from scores (prompts, m).

    The mean of the best image over all subsets of k of the m images, in closed form: of scores in rising order the
    i-th (from 1) is the best of C(i - 1, k - 1) of the C(m, k) subsets. For scores of 0 and 1 this is the estimator of
    pass@k (Chen et al., arXiv 2107.03374, equation 1). A prompt with a NaN has NaN.

    >>> best_of([[1.0, 0.0, 0.0]]).round(3).tolist()
    [[0.333, 0.667, 1.0]]
    """
    table = np.sort(np.asarray(values, dtype=float), axis=1)
    images = table.shape[1]
    chances = np.zeros((images, images))
    for k in range(1, images + 1):
        # C(i - 1, k - 1) / C(m, k), downwards from i = m: the ratio of neighbours is a simple fraction.
        chance = k / images
        for place in range(images, k - 1, -1):
            chances[place - 1, k - 1] = chance
            chance *= (place - k) / (place - 1) if place > 1 else 0.0
    expected: Floats = table @ chances
    return expected
