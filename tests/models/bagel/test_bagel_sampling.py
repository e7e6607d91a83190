"""Tokens are sampled by their probability, each row with its own random number, whatever the other rows are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from evalharness.errors import NotFiniteError
from evalharness.models.bagel.token_sampling import TokenSampler, sample_rows

LOGITS = st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=12)


@given(LOGITS, st.floats(0.1, 4), st.floats(0, 1, exclude_max=True))
def test_the_token_is_the_one_whose_share_holds_the_number(values: list[float], temperature: float, u: float) -> None:
    """Against NumPy in float64; a number within rounding of a border may fall on either side."""
    token = int(sample_rows(torch.tensor([values]), temperature, torch.tensor([u], dtype=torch.float64)))
    scaled = np.float64(values) / temperature
    shares = np.exp(scaled - scaled.max())
    borders = np.concatenate([[0], np.cumsum(shares)]) / shares.sum()
    assert borders[token] - 1e-5 <= u <= borders[token + 1] + 1e-5
    assert shares[token] > 2.0**-37


def test_tokens_come_in_the_shares_of_their_probability() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0, -math.inf])
    rows, seeds = logits.repeat(4000, 1), list(range(4000))
    counts = np.bincount(TokenSampler(0.7, seeds)(seeds, rows.nan_to_num(neginf=-1e4)), minlength=5)
    expected = (logits / 0.7).softmax(-1)[:4].double().numpy()
    assert counts[4] == 0
    assert chisquare(counts[:4], 4000 * expected / expected.sum()).pvalue > 1e-4


@given(st.permutations(range(6)), st.integers(1, 6))
def test_a_row_does_not_depend_on_the_others(order: list[int], count: int) -> None:
    logits = torch.randn((6, 500), generator=torch.Generator().manual_seed(1)) * 5
    alone = [TokenSampler(1.0, [seed])([0], logits[seed : seed + 1])[0] for seed in range(6)]
    chosen = order[:count]
    sampler = TokenSampler(1.0, [*range(6)])
    assert sampler(chosen, logits[chosen]) == [alone[i] for i in chosen]


def test_each_token_takes_one_number_and_none_at_temperature_zero() -> None:
    logits = torch.zeros((1, 1000))
    sampler = TokenSampler(1.0, [7])
    numbers = torch.rand(3, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    assert [sampler([0], logits)[0] for _ in range(3)] == [int(number * 1000) for number in numbers]
    logits[0, 5] = 1
    assert TokenSampler(0, [7])([0], logits) == [5]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_token(wrong: float) -> None:
    logits = torch.zeros((2, 9))
    logits[1, 3] = wrong
    with pytest.raises(NotFiniteError, match="1 of 18 numbers of the next token's logits"):
        TokenSampler(1.0, [1, 2])([0, 1], logits)
