"""A folder that holds a Mask2Former in transformers' layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalharness._util.quiet import silent
from evalharness.errors import WeightsError

FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


def load(folder: Path, device: str, dtype: str) -> tuple[Any, Any]:
    """Load a ``Mask2FormerForUniversalSegmentation`` and its image processor: no download, no pickle.

    Args:
        folder: holds :data:`FILES`.
        device: a torch device.
        dtype: name of a torch dtype, for the weights.

    Raises:
        WeightsError: the files do not hold a complete Mask2Former.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessor

    from evalharness.detectors.mask2former_fast import speed_up

    try:
        with silent():
            model, report = Mask2FormerForUniversalSegmentation.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=getattr(torch, dtype),
                output_loading_info=True,
            )
            processor = Mask2FormerImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, SafetensorError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        message = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{folder} cannot be loaded as a Mask2Former: {message}") from error
    # transformers initialises weights that a checkpoint lacks at random and only logs a warning.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("criterion."))
    if missing:
        raise WeightsError(
            f"{folder}/model.safetensors lacks {len(missing)} tensors of its config, {missing[0]} the first"
        )
    speed_up(model, device)
    return model.to(device).eval(), processor
