"""The small BAGEL of ``bagel_small`` as a folder of weights, and what the original program computes with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagel_small as small
import numpy as np
import pytest

Make = Callable[..., Any]
RECORDING = Path(__file__).parents[1] / "models" / "bagel" / "bagel.npz"


def write_checkpoint(folder: Path) -> Path:
    """The small BAGEL in the published layout."""
    import torch
    from safetensors.numpy import save_file

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
    weights = small.weights({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    for name, side in (("latent_pos_embed", small.LATENT_SIDE), ("vit_pos_embed", sizes.vision.side)):
        weights[f"{name}.pos_embed"] = position_table(side, sizes.language.hidden_size).numpy()
    save_file(weights, folder / "ema.safetensors")
    state = autoencoder.state_dict()
    names = autoencoder.published_names().items()
    shapes = {published: published_shape(published, tuple(state[name].shape)) for published, name in names}
    save_file(small.weights(shapes), folder / "ae.safetensors")
    return folder


def published_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The linear layers of the autoencoder's attention are published as 1 × 1 convolutions."""
    return (*shape, 1, 1) if ".attn_1." in name and len(shape) == 2 else shape


@pytest.fixture(scope="session")
def bagel_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the small BAGEL."""
    return write_checkpoint(tmp_path_factory.mktemp("bagel"))


@pytest.fixture(scope="session")
def bagel_recording() -> dict[str, np.ndarray]:
    """Arrays that ``record_bagel.py`` wrote."""
    with np.load(RECORDING, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="session")
def bagel_settings(bagel_folder: Path) -> Make:
    """A function that makes settings of the plugin for the small BAGEL."""
    from evalharness.models.bagel.settings import Settings

    def make(**changes: Any) -> Settings:
        default = {
            "weights": bagel_folder, "dtype": "float32", "device": "cpu", "height": 64, "width": 48, "steps": 6,
            "vae_sizes": small.VAE_SIZES, "vit_sizes": small.VIT_SIZES,
        }  # fmt: skip
        return Settings.model_validate(default | changes)

    return make
