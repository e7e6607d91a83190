"""Boards of the miniature's world that are made without drawing its icons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from evalharness.miniature.training.augment import BoardSampler


@pytest.fixture
def board_sampler() -> BoardSampler:
    """Samples boards with noise for icons, all of them 16 x 24 boxes: drawing the real ones takes long."""
    import torch

    from evalharness.miniature.training.augment import BoardSampler
    from evalharness.miniature.world.bank import Bank

    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (80, 10, 32, 32, 3), dtype=np.uint8)
    masks = np.zeros((80, 10, 32, 32), bool)
    masks[:, :, 4:28, 8:24] = True
    torch.manual_seed(0)
    return BoardSampler(Bank(tiles, masks, np.zeros(80, np.int64)), "cpu")
