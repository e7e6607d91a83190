"""A BAGEL of random weights, as large as wanted, behind the plugin's own runtime; no checkpoint is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import bagel_small as small
import torch
from torch import Tensor

from evalharness.models.bagel import runtime
from evalharness.models.bagel.autoencoder import Autoencoder, as_linear
from evalharness.models.bagel.config import LanguageSizes, Sizes, VisionSizes
from evalharness.models.bagel.embeddings import position_table
from evalharness.models.bagel.files import CheckpointFiles
from evalharness.models.bagel.memory import storage_dtype
from evalharness.models.bagel.network import Network
from evalharness.models.bagel.settings import Settings

LLM = small.LLM | {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_attention_heads": 8,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
}
"""What a CPU draws with in seconds."""


def sizes_of(llm: Mapping[str, Any], vit: Mapping[str, Any], latent_side: int) -> Sizes:
    return Sizes(
        language=LanguageSizes.model_validate(llm), vision=VisionSizes.model_validate(vit), latent_side=latent_side
    )


def named(network: Network) -> dict[str, Tensor]:
    """The weights of ``bagel_small.py``, which follow from their names and shapes: the original can be given them."""
    made = small.weights({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    return {name: torch.from_numpy(array) for name, array in made.items()}


def drawn(network: Network, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """Weights drawn where they are to lie, as large as keeps activations near 1."""
    torch.manual_seed(0)
    made = {}
    for name, tensor in network.state_dict().items():
        kept = storage_dtype(name, dtype)
        if tensor.ndim == 1:
            made[name] = torch.full(
                tensor.shape, float("norm" in name and name.endswith("weight")), dtype=kept, device=device
            )
        else:
            made[name] = torch.randn(tensor.shape, dtype=kept, device=device).mul_(tensor.shape[1] ** -0.5)
    return made


def make(sizes: Sizes, channels: int, folder: Path, settings: Mapping[str, Any], *, large: bool) -> runtime.Runtime:
    """``channels``: of the autoencoder's first convolution. ``large``: the weights need not be the original's."""
    small.write_tokenizer(folder)
    chosen = Settings.model_validate({"weights": folder, **settings})
    device = torch.device(chosen.device)
    with torch.device("meta"):
        network, autoencoder = Network(sizes), Autoencoder(channels, sizes.latent_channels)
    weights = drawn(network, getattr(torch, chosen.dtype), device) if large else named(network)
    for name, side in (("latent_pos_embed", sizes.latent_side), ("vit_pos_embed", sizes.vision.side)):
        weights[f"{name}.pos_embed"] = position_table(side, sizes.language.hidden_size).to(device)
    weights["language_model.lm_head.weight"][small.VOCABULARY.index("<|im_end|>")] = 0  # texts do not end by themselves
    network.load_state_dict(weights, assign=True)
    state = autoencoder.state_dict()
    published = {name: tuple(state[internal].shape) for name, internal in autoencoder.published_names().items()}
    arrays = {name: torch.from_numpy(small.weight(name, shape)).to(device) for name, shape in published.items()}
    names = autoencoder.published_names()
    autoencoder.load_state_dict({names[n]: as_linear(x, state[names[n]].shape) for n, x in arrays.items()}, assign=True)
    parts = network.eval().requires_grad_(False), autoencoder.eval().requires_grad_(False)
    files = CheckpointFiles((), folder, folder, folder, (folder / "tokenizer_config.json",))
    with (
        mock.patch.object(runtime, "load", lambda *arguments: parts),
        mock.patch.object(Settings, "files", lambda self: files),
    ):
        return runtime.Runtime(chosen, [chosen.device])
