"""MMDetection's checkpoint files: read without running code from them, and converted to transformers' layout."""

from __future__ import annotations

import pickle
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness._util.files import atomic_folder
from evalharness.detectors import architecture, coco, convert
from evalharness.detectors.transformers_folder import load
from evalharness.errors import ConfigError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor


ODD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, RuntimeError, MemoryError)
"""What reading and converting raise if a checkpoint is not what it should be."""


@dataclass(frozen=True)
class Checkpoint:
    """Tensors under MMDetection 3.x's names, and GenEval's class names in the order of the labels."""

    state: dict[str, Tensor]
    classes: tuple[str, ...]


def read(file: Path) -> Checkpoint:
    """Read a ``.pth`` file of MMDetection 2.x or 3.x, or a ``.safetensors`` file of such tensors.

    Raises:
        WeightsError: the file is missing, truncated, or holds more than tensors and plain values.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not file.is_file():
        raise WeightsError(f"no checkpoint {file}")
    try:
        if file.suffix == ".safetensors":
            return Checkpoint(convert.upgrade(load_file(file)), _geneval_names(coco.CLASSES))
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{file} holds more than tensors and plain values, and what else it holds could run as a program; save its "
            "state_dict and meta['CLASSES'] alone"
        ) from error
    except (*ODD, OSError, EOFError, ImportError, zipfile.BadZipFile, struct.error, SafetensorError) as error:
        raise WeightsError(f"{file} cannot be read: {str(error).strip().partition(chr(10))[0]}") from error
    try:
        return _checkpoint(file, content)
    except ODD as error:
        raise WeightsError(f"{file} holds no checkpoint of MMDetection: {error!r}") from error


def _checkpoint(file: Path, content: Any) -> Checkpoint:
    import torch

    state = content.get("state_dict", content) if isinstance(content, dict) else None
    all_tensors = isinstance(state, dict) and all(isinstance(value, torch.Tensor) for value in state.values())
    if not all_tensors or not state:
        raise WeightsError(f"{file} holds no state_dict of tensors")
    meta = content.get("meta") if "state_dict" in content else None
    return Checkpoint(convert.upgrade(state), _geneval_names(_classes(meta if isinstance(meta, dict) else {})))


def _classes(meta: dict[str, Any]) -> Any:
    """The class names, which MMDetection 2.x and 3.x keep in different places."""
    dataset = {str(key).lower(): value for key, value in (meta.get("dataset_meta") or {}).items()}
    return dataset.get("classes") or meta.get("CLASSES") or coco.CLASSES


def _geneval_names(classes: Any) -> tuple[str, ...]:
    return tuple(coco.geneval_name(str(name)) for name in classes)


def to_folder(file: Path, folder: Path) -> None:
    """Convert a checkpoint to the folder that the ``mask2former`` detector loads; it appears whole or not at all.

    Raises:
        WeightsError: the file is not a whole Mask2Former with a Swin backbone.
        ConfigError: the folder is there already.
    """
    if folder.exists():
        raise ConfigError(f"{folder} is there already; name a new folder")
    checkpoint = read(file)
    with atomic_folder(folder) as temporary:
        try:
            _write(checkpoint, temporary)
            load(temporary, "cpu", "float32")
        except WeightsError as error:
            text = str(error).replace(str(temporary), str(file))
            raise WeightsError(text if str(file) in text else f"{file}: {text}") from error
        except ODD as error:
            raise WeightsError(f"{file} is no whole Mask2Former with a Swin backbone: {error!r}") from error


def _write(checkpoint: Checkpoint, folder: Path) -> None:
    import torch
    from safetensors.torch import save
    from transformers import Mask2FormerConfig, Mask2FormerImageProcessor, SwinConfig

    swin, head = architecture.transformers_config(checkpoint.state, checkpoint.classes)
    config = Mask2FormerConfig(backbone_config=SwinConfig(**swin), **head)
    config.architectures = ["Mask2FormerForUniversalSegmentation"]
    config.save_pretrained(folder)
    Mask2FormerImageProcessor(**architecture.PREPROCESSING).save_pretrained(folder)
    state = convert.to_transformers(checkpoint.state)
    # Only training reads it, but transformers warns if it is missing.
    no_object = state["class_predictor.bias"].new_tensor([config.no_object_weight])
    state["criterion.empty_weight"] = torch.cat([no_object.new_ones(len(checkpoint.classes)), no_object])
    # A file that safetensors writes itself can be read by its owner alone.
    (folder / "model.safetensors").write_bytes(save(state, {"format": "pt"}))
