"""Muon for the matrices inside the blocks, AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

WEIGHT_DECAY = 0.05


class ExactMuon(torch.optim.Muon):
    """torch's Muon, with its products in the precision of the gradients.

    torch multiplies in bfloat16, which a processor without instructions for it does a hundred times as slowly as
    float32: the optimizer then takes longer than the network. Learning rates are those of ``match_rms_adamw``.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        if closure is not None:
            raise ValueError("a closure is not supported")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight.grad)
                held = state["momentum_buffer"]
                held.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonal(
                    weight.grad.lerp(held, group["momentum"]), group["ns_coefficients"], group["ns_steps"]
                )
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-0.2 * math.sqrt(max(weight.shape)) * group["lr"])


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """Nearly the closest matrix with orthonormal rows or columns, by the quintic Newton-Schulz iteration of Muon."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def optimizers(student: nn.Module, *, bfloat16: bool) -> list[torch.optim.Optimizer]:
    """Both optimizers; ``bfloat16``: the hardware multiplies it."""
    inner = [p for n, p in student.named_parameters() if ".blocks." in n and p.ndim == 2]
    outer = [p for n, p in student.named_parameters() if not (".blocks." in n and p.ndim == 2)]
    muon = torch.optim.Muon if bfloat16 else ExactMuon
    return [
        muon(inner, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, betas=(0.9, 0.98), weight_decay=0.0),
    ]
