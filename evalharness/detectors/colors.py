"""The color of a detected object, by a zero-shot CLIP classifier over color names.

The CLIP is loaded through open_clip, from one of four sources:

- ``weights: FOLDER``, by open_clip's ``local-dir:`` schema. The folder holds ``open_clip_config.json`` (``model_cfg``
  and ``preprocess_cfg``) and ``open_clip_model.safetensors``. If ``model_cfg.text_cfg`` has an ``hf_tokenizer_name``
  (of any value, which is ignored), the tokenizer's files are in the same folder: ``tokenizer.json`` and a
  ``tokenizer_config.json`` with ``tokenizer_class: PreTrainedTokenizerFast`` and a ``pad_token``. Without that name,
  CLIP's own tokenizer is used, which open_clip carries. ``embedded`` is such a folder of the package.
- ``architecture: ViT-L-14-quickgelu`` and ``weights: FILE.safetensors``. OpenAI's weights were trained with QuickGELU
  and need an architecture of that name; with the plain ``ViT-L-14`` they load, and classify differently.
- ``architecture: ViT-L-14`` and ``pretrained: openai``, a tag that open_clip downloads and that sets QuickGELU.
- ``weights: official``: OpenAI's, fetched by ``evalharness fetch geneval``.

With ``precision: published`` the networks run under float16 autocast and similarities are rounded to float16, as by
clip_benchmark 1.4 on CUDA. It multiplies them by 100; around 20 to 30 float16 has steps of 1/64, so that near colors
tie, and the first of them wins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, model_validator

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import file_digest
from evalharness._util.finite import check_finite, check_weights
from evalharness.api.detector import Detection
from evalharness.assets.weights_folder import checked_folder, embedded_weights
from evalharness.detectors import geneval_weights
from evalharness.errors import WeightsError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

GENEVAL_TEMPLATES = ("a photo of a {color} {cls}", "a photo of a {color}-colored {cls}", "a photo of a {color} object")
"""The texts that GenEval's classifier (arXiv 2310.11513) embeds for each colour."""
FOLDER_FILES = ("open_clip_config.json", "open_clip_model.safetensors")
BACKGROUND = "#999"
"""Fill color of the pixels outside an object's mask."""
GPU_BATCH = 256
"""Objects per pass, which bounds the memory."""
CPU_BATCH = 8
"""Objects per pass on a CPU, which is no faster with more."""


class ColorClassifier:
    """Classifies objects by color.

    For each class, a color is represented by the normalized mean of the normalized embeddings of its templates; an
    object gets the color that is nearest to the embedding of its crop.

    Attributes:
        heads: class name → embeddings of the colors for objects of the class, ``(colors, width)``; filled on first use.
    """

    class Settings(BaseModel):
        """``weights`` alone, ``architecture`` with ``weights``, or ``architecture`` with ``pretrained``; see above.

        Attributes:
            precision: ``float32``, or ``published`` for float16 autocast.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: Literal["embedded", "official"] | Path = "embedded"
        architecture: str | None = None
        pretrained: str | None = None
        precision: Literal["float32", "published"] = "float32"
        device: str = "auto"

        @model_validator(mode="after")
        def _one_source(self) -> ColorClassifier.Settings:
            has_file = isinstance(self.weights, Path)
            if self.architecture is None and self.pretrained is not None:
                raise ValueError("pretrained needs an architecture, such as ViT-L-14")
            if self.architecture is not None and has_file == (self.pretrained is not None):
                raise ValueError("an architecture needs either weights (a .safetensors file) or pretrained (a tag)")
            if self.architecture is None or not isinstance(self.weights, Path):
                return self
            if self.weights.suffix != ".safetensors":
                raise ValueError(f"weights for an architecture must be a .safetensors file, got {self.weights.name}")
            return self

    def __init__(self, settings: Settings, colors: Sequence[str], templates: Sequence[str]) -> None:
        """Nothing is loaded before the first use.

        Args:
            settings: which CLIP, and where it runs.
            colors: the classes to choose from.
            templates: texts with the fields ``{color}`` and ``{cls}``.
        """
        self.settings = settings
        self.colors = tuple(colors)
        self.templates = tuple(templates)
        self._loaded: tuple[Any, Any, Any] | None = None
        self.heads: dict[str, torch.Tensor] = {}

    @property
    def architecture(self) -> str | None:
        """open_clip's name, or ``None`` if the folder's config defines it."""
        return geneval_weights.CLIP_ARCHITECTURE if self.settings.weights == "official" else self.settings.architecture

    def identity(self) -> dict[str, Any]:
        """The architecture, the precision and the digests that determine a color."""
        precision = "float16 autocast" if self.settings.precision == "published" else "float32"
        return {"name": "clip", "precision": precision, **self._network()}

    def _network(self) -> dict[str, Any]:
        """What tells the network apart from others."""
        if self.architecture is None:
            folder = self._folder()
            files = sorted(file for file in folder.glob("[!.]*.json") if file.is_file())
            return {
                "weights": file_digest(folder / "open_clip_model.safetensors"),
                "config": {file.name: file_digest(file) for file in files},
            }
        return {"architecture": self.architecture, "weights": file_digest(self._weights_file())}

    def classify(self, objects: Sequence[tuple[Image.Image, Detection]]) -> list[str]:
        """The color of each object, given as an RGB image and a detection in it."""
        size = CPU_BATCH if self._device().startswith("cpu") else GPU_BATCH
        parts = [objects[start : start + size] for start in range(0, len(objects), size)]
        return [color for part in parts for color in self._classify_batch(part)]

    def features(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """The embeddings of whole RGB images, of length 1: ``(images, width)``."""
        import torch

        model, transform, _ = self.load()
        with torch.inference_mode():
            features = self._unit(model.encode_image, torch.stack([transform(image) for image in images]))
            check_finite(features, "the CLIP's image embeddings")
        embeddings: NDArray[np.float32] = features.cpu().numpy()
        return embeddings

    def _classify_batch(self, objects: Sequence[tuple[Image.Image, Detection]]) -> list[str]:
        import torch

        model, transform, _ = self.load()
        crops = torch.stack([transform(crop(image, detection)) for image, detection in objects])
        with torch.inference_mode():
            features = self._unit(model.encode_image, crops)
            check_finite(features, "the CLIP's image embeddings")
            heads = torch.stack([self._head(detection.cls) for _, detection in objects])
            nearest = self._similarities(features, heads).argmax(dim=1)
        return [self.colors[index] for index in nearest.tolist()]

    def _unit(self, encode: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
        """Embeddings of length 1 in float32, ``(n, width)``."""
        import torch

        device = self._device()
        published = self.settings.precision == "published"
        with torch.autocast(torch.device(device).type, torch.float16, enabled=published):
            features = encode(inputs.to(device))
        return torch.nn.functional.normalize(features.float(), dim=-1)

    def _similarities(self, features: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        """Cosines of embeddings ``(n, width)`` with the colors' ``(n, colors, width)``; ``(n, colors)``.

        The published ones are of float16 numbers and rounded to float16, times 100. They are summed in float32, as by a
        GPU, and returned on the CPU, where the first of equal colors wins.
        """
        import torch

        if self.settings.precision == "float32":
            return torch.einsum("nd,ncd->nc", features, heads)
        products = torch.einsum("nd,ncd->nc", (100.0 * features).half().float(), heads.half().float())
        return products.half().float().cpu()

    def _head(self, cls: str) -> torch.Tensor:
        """The entry of ``heads`` for a class."""
        if cls not in self.heads:
            model, _, tokenizer = self.load()
            texts = [template.format(color=color, cls=cls) for color in self.colors for template in self.templates]
            features = self._unit(model.encode_text, tokenizer(texts))
            means = features.reshape(len(self.colors), len(self.templates), -1).mean(dim=1)
            head = means / means.norm(dim=-1, keepdim=True)
            check_finite(head, "the CLIP's text embeddings")
            self.heads[cls] = head
        return self.heads[cls]

    def load(self) -> tuple[Any, Any, Any]:
        """Model, image transform and tokenizer, loaded on first use."""
        if self._loaded is None:
            name, options = self._source()
            model, transform, tokenizer = load(name, self._device(), options)
            check_weights(model, f"the CLIP {name.removeprefix('local-dir:')}")
            self._loaded = model, transform, tokenizer
        return self._loaded

    def _source(self) -> tuple[str, dict[str, Any]]:
        """open_clip's model name and the options for its loader."""
        pretrained = self.settings.pretrained
        if self.architecture is None:
            return f"local-dir:{self._folder()}", {}
        if pretrained is None:
            return self.architecture, {"pretrained": str(self._weights_file())}
        quick_gelu = bool(self._tag().get("quick_gelu", False))
        return self.architecture, {"pretrained": pretrained, "force_quick_gelu": quick_gelu}

    def _folder(self) -> Path:
        weights = self.settings.weights
        return checked_folder(weights if isinstance(weights, Path) else embedded_weights("clip"), FOLDER_FILES)

    def _weights_file(self) -> Path:
        """The weights file of ``architecture``; that of a tag is downloaded on first use."""
        if self.settings.weights == "official":
            return geneval_weights.clip_file()
        if self.settings.pretrained is None:
            return Path(self.settings.weights)
        import httpx2
        import open_clip

        try:
            return Path(open_clip.download_pretrained(self._tag()))
        except (httpx2.HTTPError, OSError, RuntimeError, ValueError) as error:
            raise WeightsError(f"cannot download CLIP {self._tag_name()}: {_first_line(error)}") from error

    def _tag(self) -> dict[str, Any]:
        import open_clip

        settings = self.settings
        config: dict[str, Any] = open_clip.get_pretrained_cfg(settings.architecture, settings.pretrained)
        if not config:
            known = open_clip.list_pretrained_tags_by_model(settings.architecture)
            raise WeightsError(f"open_clip has no {self._tag_name()}{did_you_mean(settings.pretrained or '', known)}")
        return config

    def _tag_name(self) -> str:
        return f"{self.settings.architecture} {self.settings.pretrained}"

    def _device(self) -> str:
        return pick_device(self.settings.device)


def crop(image: Image.Image, detection: Detection) -> Image.Image:
    """The object's box from an RGB image, with the pixels outside its mask in :data:`BACKGROUND`."""
    left, top, right, bottom = (round(edge) for edge in detection.box)
    box = image.crop((left, top, right, bottom))
    if detection.mask is None:
        return box
    return Image.composite(box, Image.new("RGB", box.size, BACKGROUND), Image.fromarray(detection.mask))


def load(name: str, device: str, options: dict[str, Any]) -> tuple[Any, Any, Any]:
    """open_clip's model in evaluation mode, its image transform and its tokenizer.

    Raises:
        WeightsError: the weights are not those of the architecture, or the tokenizer's files are missing.
    """
    import open_clip
    from safetensors import SafetensorError

    try:
        model, _, transform = open_clip.create_model_and_transforms(
            name, device=device, require_pretrained=True, **options
        )
        tokenizer = open_clip.get_tokenizer(name, **_tokenizer_options(name))
    except (OSError, SafetensorError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"cannot load the CLIP {name.removeprefix('local-dir:')}: {_first_line(error)}") from error
    return model.eval(), transform, tokenizer


def _tokenizer_options(name: str) -> dict[str, Any]:
    """Options that read a folder's Hugging Face tokenizer from the folder alone and run none of its code."""
    folder = Path(name.removeprefix("local-dir:"))
    if not name.startswith("local-dir:"):
        return {}
    config = json.loads((folder / "open_clip_config.json").read_bytes())
    if not config["model_cfg"]["text_cfg"].get("hf_tokenizer_name"):
        return {}
    return {"local_files_only": True, "trust_remote_code": False}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
