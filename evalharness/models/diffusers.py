"""Model plugin ``diffusers``: any text-to-image pipeline of the diffusers library, from a folder or the hub."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import folder_digest
from evalharness._util.quiet import silent
from evalharness.api.model import Drawn
from evalharness.assets.weights_folder import checked_folder
from evalharness.errors import ConfigError, SampleError, WeightsError, did_you_mean

COMMIT = re.compile(r"[0-9a-f]{40}")


class Diffusers:
    """Draws batches of prompts; the noise of each sample comes from its own seed, on the CPU, whatever the device."""

    class Settings(BaseModel):
        """``weights``: a folder with ``model_index.json``; or ``hub``: a name on the hub, and its ``revision``;
        ``steps``, ``guidance``, ``width``, ``height``, ``negative_prompt``: the pipeline's own where not given;
        ``arguments``: more of its call; ``offload``: keep on the device only the part that is at work."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: Path | None = None
        hub: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$")
        revision: str | None = None
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

        @model_validator(mode="after")
        def _one_source(self) -> Diffusers.Settings:
            if (self.weights is None) == (self.hub is None):
                raise ValueError("give either weights (a folder) or hub (owner/name)")
            if self.hub is None and self.revision is not None:
                raise ValueError("a revision belongs to a hub name; a folder has none")
            return self

    name = "diffusers"
    device_count = 1
    requires = ("diffusers", "accelerate")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size
        self._pipeline: Any = None

    def identity(self) -> Mapping[str, Any]:
        chosen = self.settings
        return {"name": self.name, **self._source(), "dtype": chosen.dtype, "call": self._call()}

    def check(self, prompt: str) -> None:
        if not prompt.strip():
            raise SampleError("the prompt is empty")

    def prepare(self) -> None:
        self._load()

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One image a prompt.

        Raises:
            SampleError: the pipeline's safety checker blacked an image out.
            ConfigError: the pipeline does not take one of the settings.
        """
        import torch

        pipeline = self._load()
        call = self._call()
        if (negative := call.pop("negative_prompt", None)) is not None:
            call["negative_prompt"] = [negative] * len(prompts)
        noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        with torch.inference_mode():
            made = pipeline(prompt=list(prompts), generator=noise, output_type="pil", **call)
        if any(getattr(made, "nsfw_content_detected", None) or ()):
            raise SampleError("the pipeline's safety checker refused the image")
        taken = getattr(pipeline, "num_timesteps", None) or self.settings.steps or 0
        return [Drawn(image.convert("RGB"), int(taken)) for image in made.images]

    def _call(self) -> dict[str, Any]:
        """What every call of the pipeline is given besides prompts and noise."""
        chosen = self.settings
        named = {
            "num_inference_steps": chosen.steps,
            "guidance_scale": chosen.guidance,
            "width": chosen.width,
            "height": chosen.height,
            "negative_prompt": chosen.negative_prompt,
        }
        return {**chosen.arguments, **{key: value for key, value in named.items() if value is not None}}

    def _source(self) -> dict[str, str]:
        """What identifies the weights: a folder's digest, or the hub name and its commit."""
        chosen = self.settings
        if chosen.weights is not None:
            return {"weights": folder_digest(checked_folder(chosen.weights, ["model_index.json"]))}
        return {"hub": str(chosen.hub), "revision": self._commit(str(chosen.hub))}

    def _commit(self, name: str) -> str:
        """The commit that ``revision`` means: as the hub says, or without a network the one in its cache."""
        wanted = self.settings.revision or "main"
        if COMMIT.fullmatch(wanted):
            return wanted
        import httpx2
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            return str(HfApi().model_info(name, revision=wanted).sha)
        except HfHubHTTPError as error:
            if error.response.status_code < 500:
                raise WeightsError(f"the hub has no {name} at {wanted}: {str(error).splitlines()[0]}") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError, KeyError, AttributeError):
            pass  # no network, or somebody else answers
        try:
            return Path(snapshot_download(name, revision=wanted, local_files_only=True)).name
        except LocalEntryNotFoundError:
            raise WeightsError(
                f"the hub cannot be reached, and {name} is not in its cache; download it where there is a network, and "
                "give its folder as weights"
            ) from None

    def _load(self) -> Any:
        """Read the weights, once. Only safetensors are read, and no code comes with them."""
        if self._pipeline is None:
            import httpx2
            import torch
            from diffusers import DiffusionPipeline

            source = self._source()
            try:
                with silent("diffusers"):
                    pipeline = DiffusionPipeline.from_pretrained(
                        self.settings.weights or self.settings.hub,
                        revision=source.get("revision"),
                        dtype=getattr(torch, self.settings.dtype),
                        use_safetensors=True,
                        trust_remote_code=False,
                    )
            except (httpx2.HTTPError, OSError, ValueError, AttributeError, TypeError, KeyError) as error:
                what = " ".join(str(error).split())[:300]
                raise WeightsError(
                    f"{self.settings.weights or self.settings.hub} cannot be loaded as a pipeline: {what}"
                ) from error
            self._check_call(pipeline)
            pipeline.set_progress_bar_config(disable=True)
            device = pick_device(self.settings.device)
            if self.settings.offload:
                pipeline.enable_model_cpu_offload(device=device)
            else:
                pipeline.to(device)
            self._pipeline = pipeline
        return self._pipeline

    def _check_call(self, pipeline: Any) -> None:
        takes = inspect.signature(type(pipeline).__call__).parameters
        kind = type(pipeline).__name__
        if "prompt" not in takes or ("image" in takes and takes["image"].default is inspect.Parameter.empty):
            raise ConfigError(f"{kind} is not a text-to-image pipeline")
        for key in self._call():
            if key not in takes:
                raise ConfigError(f"{kind} takes no argument {key!r}{did_you_mean(key, takes)}")
