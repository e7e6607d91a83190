"""Numbers of networks that are none are found wherever they stand."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from evalharness._util.finite import check_finite, check_logits, check_weights, watch_logits, watch_outputs
from evalharness.errors import NotFiniteError, WeightsError

NAN, INF = float("nan"), float("inf")


@dataclass
class Output:
    first: torch.Tensor
    second: Any = None


class Nested(nn.Module):
    def forward(self, output: Any) -> Any:
        return output


@pytest.mark.parametrize("number", [NAN, INF, -INF])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_number_that_is_none_is_counted(number: float, dtype: torch.dtype) -> None:
    values = torch.zeros(2, 3, dtype=dtype)
    check_finite(values, "x")
    values[1, 2] = number
    with pytest.raises(NotFiniteError, match=r"^1 of 6 numbers of the latents are NaN or infinite$"):
        check_finite(values, "the latents")


def test_logits_may_rule_tokens_out_but_not_all() -> None:
    check_logits(torch.tensor([[0.0, -INF], [-INF, 1.0]]), "x")
    for bad in (NAN, INF):
        with pytest.raises(NotFiniteError, match=r"^1 of 4 numbers of x are"):
            check_logits(torch.tensor([[0.0, bad], [-INF, 1.0]]), "x")
    with pytest.raises(NotFiniteError, match="all numbers of x are minus infinity"):
        check_logits(torch.tensor([[0.0, 1.0], [-INF, -INF]]), "x")


@pytest.mark.parametrize("number", [NAN, INF])
def test_a_weight_that_is_none_is_named(number: float) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    check_weights(network, "folder")
    for parameter, name in ((network[0].weight, "0.weight"), (network[1].running_var, "1.running_var")):
        with torch.no_grad():
            kept = parameter.flatten()[0].clone()
            parameter.flatten()[0] = number
        with pytest.raises(WeightsError, match=rf"^folder: 1 of \d numbers of {name} are NaN or infinite; fetch"):
            check_weights(network, "folder")
        with torch.no_grad():
            parameter.flatten()[0] = kept


def test_outputs_are_watched_at_any_depth() -> None:
    network, bad = Nested(), torch.tensor([0.0, NAN])
    watch_outputs(network, "the unet")
    good = torch.zeros(2)
    for wrap in (lambda x: x, lambda x: [good, (x,)], lambda x: {"sample": x}, lambda x: Output(good, [x])):
        network(wrap(good))
        with pytest.raises(NotFiniteError, match="1 of 2 numbers of the output of the unet"):
            network(wrap(bad))
    network([torch.ones(2, dtype=torch.int64), None, "text"])


def test_only_the_logits_of_the_next_token_count() -> None:
    network, logits = Nested(), torch.zeros(2, 3, 5)
    watch_logits(network, "the judge")
    logits[:, 0] = NAN  # a position that only pads
    network(SimpleNamespace(logits=logits))
    network(SimpleNamespace(last_hidden_state=logits))
    logits[1, -1, 0] = NAN
    with pytest.raises(NotFiniteError, match="1 of 10 numbers of the logits of the judge"):
        network(SimpleNamespace(logits=logits))
