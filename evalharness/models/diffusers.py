"""Model plugin ``diffusers``: any pipeline of that library that draws from text or edits, by folder or hub name."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from pydantic import Field

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import digest_of_all_files, folder_digest
from evalharness._util.finite import watch_outputs
from evalharness._util.quiet import silent
from evalharness.api.model import Drawn, ImageEditor
from evalharness.assets.weights_folder import checked_folder
from evalharness.errors import NotFiniteError, SampleError, WeightsError
from evalharness.models.hub import WeightsSource
from evalharness.models.pipeline_calls import check_arguments, require_drawing, require_editing

INDEX = "model_index.json"


class Diffusers(ImageEditor):
    """Draws batches of prompts, and edits images, which may differ in size, one by one.

    Each sample's noise is drawn from its own seed on the CPU, whatever the device. What the pipeline can do is known
    once it is loaded; if it lacks the verb that is asked of it, the run ends before its first image.
    """

    class Settings(WeightsSource):
        """Settings of a pipeline. ``steps`` to ``negative_prompt`` have the pipeline's own defaults.

        Attributes:
            arguments: further arguments of the pipeline's call.
            offload: keep only the part on the device that is computing.
        """

        dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
        steps: int | None = Field(default=None, ge=1, le=1000)
        guidance: float | None = Field(default=None, ge=0)
        width: int | None = Field(default=None, ge=8)
        height: int | None = Field(default=None, ge=8)
        negative_prompt: str | None = None
        arguments: dict[str, Any] = Field(default_factory=dict)
        offload: bool = False
        device: str = "auto"
        batch_size: int = Field(default=4, ge=1)

    name = "diffusers"
    device_count = 1
    requires = ("diffusers", "accelerate")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size
        self._pipeline: Any = None

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, **self._source(), "dtype": self.settings.dtype, "call": self._call()}

    def former_identities(self) -> list[Mapping[str, Any]]:
        """Once, the digest of a folder was over all of its files."""
        if self.settings.weights is None:
            return []
        return [{**self.identity(), "weights": digest_of_all_files(self.settings.weights)}]

    def check(self, prompt: str) -> None:
        if not prompt.strip():
            raise SampleError("the prompt is empty")

    def prepare(self) -> None:
        self.load()

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Draw an image for each prompt.

        Raises:
            SampleError: the pipeline's safety checker blacked an image out.
            NotFiniteError: a network of the pipeline computed NaN or infinite numbers.
            ConfigError: the pipeline only edits, or does not accept one of the settings.
        """
        require_drawing(self.load())
        call: dict[str, Any] = {"prompt": list(prompts)}
        if self.settings.negative_prompt is not None:
            call["negative_prompt"] = [self.settings.negative_prompt] * len(prompts)
        return self._run({**call, "generator": [noise(seed) for seed in seeds]})

    def edit(self, images: Sequence[Image.Image], instructions: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Change each image as its instruction says. The result has the size that the pipeline gives it.

        Raises:
            the errors of :meth:`paint`; ConfigError also if the pipeline only draws.
        """
        require_editing(self.load())
        return [
            self._run({"prompt": instruction, "image": image.convert("RGB"), "generator": noise(seed)})[0]
            for image, instruction, seed in zip(images, instructions, seeds, strict=True)
        ]

    def _run(self, arguments: Mapping[str, Any]) -> list[Drawn]:
        """Call the pipeline once, with these arguments before those of the settings."""
        import torch

        pipeline = self.load()
        with torch.inference_mode(), _strict_casts():
            output = pipeline(**{**self._call(), **arguments, "output_type": "pil"})
        if any(getattr(output, "nsfw_content_detected", None) or ()):
            raise SampleError("the pipeline's safety checker refused the image")
        steps = getattr(pipeline, "num_timesteps", None) or self.settings.steps or 0
        # A transparent image stays so: whoever stores it counts it, and drops its transparency.
        images = [image if image.has_transparency_data else image.convert("RGB") for image in output.images]
        return [Drawn(image, int(steps)) for image in images]

    def _call(self) -> dict[str, Any]:
        """Arguments of every call of the pipeline besides prompts and noise."""
        settings = self.settings
        arguments = {
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
            "width": settings.width,
            "height": settings.height,
            "negative_prompt": settings.negative_prompt,
        }
        return {**settings.arguments, **{key: value for key, value in arguments.items() if value is not None}}

    def _source(self) -> dict[str, str]:
        """Identity of the weights: a folder's digest, or the hub name and the commit."""
        settings = self.settings
        if settings.weights is not None:
            folder = checked_folder(settings.weights, [INDEX])
            return {"weights": folder_digest(folder, [INDEX, *(f"{part}/**/*" for part in _parts(folder))])}
        return settings.hub_identity()

    def load(self) -> Any:
        """The pipeline, loaded on first use from safetensors only, without running code from the repository."""
        if self._pipeline is None:
            self._pipeline = self._load_pipeline()
        return self._pipeline

    def _load_pipeline(self) -> Any:
        import httpx2
        import torch
        from diffusers import DiffusionPipeline

        name = self.settings.weights or self.settings.hub
        revision = self._source().get("revision")
        try:
            with silent("diffusers"):
                pipeline = DiffusionPipeline.from_pretrained(
                    name,
                    revision=revision,
                    dtype=getattr(torch, self.settings.dtype),
                    use_safetensors=True,
                    trust_remote_code=False,
                )
        except (httpx2.HTTPError, OSError, ValueError, AttributeError, TypeError, KeyError) as error:
            reason = " ".join(str(error).split())[:300]
            raise WeightsError(f"{name} cannot be loaded as a pipeline: {reason}") from error
        check_arguments(pipeline, self._call())
        _watch_networks(pipeline)
        pipeline.set_progress_bar_config(disable=True)
        device = pick_device(self.settings.device)
        if self.settings.offload:
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to(device)
        return pipeline


def noise(seed: int) -> Any:
    """A source of noise on the CPU."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def _watch_networks(pipeline: Any) -> None:
    """Check what the pipeline's own networks compute, before an image of 8 bits hides what is NaN.

    The text encoders are not watched: what they pass on shows in the output of the network that reads it. An
    autoencoder is not called as a whole, so its decoder is watched.
    """
    from diffusers import ModelMixin

    for name, component in pipeline.components.items():
        if isinstance(component, ModelMixin):
            decoder: Any = getattr(component, "decoder", None)
            watch_outputs(component, name)
            if hasattr(decoder, "register_forward_hook"):
                watch_outputs(decoder, f"the decoder of {name}")


@contextlib.contextmanager
def _strict_casts() -> Iterator[None]:
    """Raise NotFiniteError where NumPy casts NaN to bytes, which would make a black pixel of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "invalid value encountered in cast", RuntimeWarning)
        try:
            yield
        except RuntimeWarning as warning:
            raise NotFiniteError("the pixels of the image are NaN or infinite") from warning


def _parts(folder: Path) -> list[str]:
    """The folders of the parts that a pipeline is loaded from, by its index.

    Raises:
        WeightsError: the index cannot be read.
    """
    try:
        index: Mapping[str, Any] = json.loads((folder / INDEX).read_bytes())
        return [name for name, part in index.items() if isinstance(part, list) and any(part)]
    except (OSError, ValueError, AttributeError) as error:
        raise WeightsError(f"{folder / INDEX} is no index of a pipeline: {error}") from None
