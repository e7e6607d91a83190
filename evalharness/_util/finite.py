"""Checks that networks compute finite numbers. NaN passes through clamps, casts and comparisons without an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from evalharness.errors import NotFiniteError, WeightsError

if TYPE_CHECKING:
    import torch


def check_finite(values: torch.Tensor, name: str) -> None:
    """Check the output of a network.

    Args:
        values: A tensor of any shape and dtype.
        name: What it holds, for the message.

    Raises:
        NotFiniteError: It holds NaN or an infinite number.
    """
    finite = values.isfinite()
    if not finite.all():
        raise NotFiniteError(f"{_count(values, finite)} of {name} are NaN or infinite")


def check_logits(logits: torch.Tensor, name: str) -> None:
    """Check logits, in which minus infinity stands for what is ruled out.

    Args:
        logits: ``(…, classes)``.
        name: What it holds, for the message.

    Raises:
        NotFiniteError: It holds NaN or plus infinity, or rules everything out.
    """
    usable = (logits == -float("inf")) | logits.isfinite()
    if not usable.all():
        raise NotFiniteError(f"{_count(logits, usable)} of {name} are NaN or infinite")
    if not logits.isfinite().any(dim=-1).all():
        raise NotFiniteError(f"all numbers of {name} are minus infinity")


def watch_outputs(network: torch.nn.Module, name: str) -> None:
    """Check each output of a network as soon as it is computed, where other code calls the network.

    Args:
        network: The module; its outputs may be nested in tuples, lists, mappings and dataclasses.
        name: What computes, for the message.
    """

    def check_output(module: Any, inputs: Any, output: Any) -> None:
        for values in _floats(output):
            check_finite(values, f"the output of {name}")

    network.register_forward_hook(check_output)


def watch_logits(network: torch.nn.Module, name: str) -> None:
    """Check the logits that decide the next token each time that a language model of transformers is called."""

    def check_output(module: Any, inputs: Any, output: Any) -> None:
        logits = getattr(output, "logits", None)
        if logits is not None:
            check_logits(logits[:, -1], f"the logits of {name}")

    network.register_forward_hook(check_output)


def check_weights(network: Any, source: object) -> None:
    """Check the weights of a network after they are loaded.

    An infinite weight need not show in the output: a ReLU or a sigmoid turns it into a finite number.

    Args:
        network: A ``torch.nn.Module``.
        source: Where the weights are from, for the message.

    Raises:
        WeightsError: A weight is NaN or infinite.
    """
    for name, values in network.state_dict().items():
        if values.is_floating_point() and not (finite := values.isfinite()).all():
            count = _count(values, finite)
            raise WeightsError(f"{source}: {count} of {name} are NaN or infinite; fetch or convert the weights again")


def _floats(output: Any) -> Iterator[torch.Tensor]:
    """The tensors of floating-point numbers in a nested output."""
    if hasattr(output, "isfinite"):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        yield from _floats(list(output.values()))
    elif isinstance(output, list | tuple):
        for part in output:
            yield from _floats(part)
    elif is_dataclass(output):
        yield from _floats(list(vars(output).values()))


def _count(values: torch.Tensor, usable: torch.Tensor) -> str:
    total = values.numel()
    return f"{total - int(usable.sum())} of {total} numbers"
