from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagel_small as small
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file


def write_checkpoint(folder: Path) -> Path:
    """The small BAGEL in the published layout."""
    from evalharness.models.bagel.autoencoder import Autoencoder
    from evalharness.models.bagel.config import LanguageSizes, Sizes, VisionSizes
    from evalharness.models.bagel.embeddings import position_table
    from evalharness.models.bagel.network import Network

    small.write_tokenizer(folder)
    (folder / "llm_config.json").write_text(json.dumps(small.LLM))
    (folder / "vit_config.json").write_text(json.dumps(small.VIT))
    sizes = Sizes(
        language=LanguageSizes.model_validate(small.LLM),
        vision=VisionSizes.model_validate(small.VIT),
        latent_side=small.LATENT_SIDE,
    )
    with torch.device("meta"):
        network, autoencoder = Network(sizes), Autoencoder(small.AE["ch"], small.AE["z_channels"])
    made = small.weights({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    for name, side in (("latent_pos_embed", small.LATENT_SIDE), ("vit_pos_embed", sizes.vision.side)):
        made[f"{name}.pos_embed"] = position_table(side, sizes.language.hidden_size).numpy()
    save_file(made, folder / "ema.safetensors")
    own = autoencoder.state_dict()
    names = autoencoder.published_names().items()
    shapes = {name: published_shape(name, tuple(own[mine].shape)) for name, mine in names}
    save_file(small.weights(shapes), folder / "ae.safetensors")
    return folder


def published_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The linear layers of the autoencoder's attention are published as 1 × 1 convolutions."""
    return (*shape, 1, 1) if ".attn_1." in name and len(shape) == 2 else shape


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("bagel"))


@pytest.fixture(scope="session")
def recorded() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("bagel.npz"), allow_pickle=False) as file:
        return dict(file)


Make = Callable[..., Any]


@pytest.fixture(scope="session")
def settings(checkpoint: Path) -> Make:
    """Settings of the plugin for the small checkpoint."""
    from evalharness.models.bagel.settings import Settings

    def make(**chosen: Any) -> Settings:
        default = {
            "weights": checkpoint, "dtype": "float32", "device": "cpu", "height": 64, "width": 48, "steps": 6,
            "vae_sizes": small.VAE_SIZES, "vit_sizes": small.VIT_SIZES,
        }  # fmt: skip
        return Settings.model_validate(default | chosen)

    return make
