"""Model plugin ``miniature``: the embedded unified model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import file_digest
from evalharness._util.finite import check_finite
from evalharness._util.hashing import digest
from evalharness.api.model import Drawn, Interleaver, Written
from evalharness.api.variant import Variant
from evalharness.assets.weights_folder import checked_folder, embedded_weights
from evalharness.errors import SampleError, WeightsError
from evalharness.generation.best_of_n import BestOfN
from evalharness.generation.process import Process
from evalharness.generation.text_cot import TextCot
from evalharness.types.trajectory import StepKind

if TYPE_CHECKING:
    import torch

    from evalharness.miniature.model.codec import Codec
    from evalharness.miniature.model.contexts import MiniatureContext
    from evalharness.miniature.model.network import Network
    from evalharness.miniature.model.tokenizer import Tokenizer

_OTHER_KEYS = ("words", "marked", "remembers")
"""Keys of ``config.json`` that are not sizes of the network."""
MODEL = "model.safetensors"
LONGEST_PROMPT = 60
"""Tokens; longer than any prompt of its training, far below the capacity of its contexts."""


class Miniature(Interleaver):
    """A small transformer that reads and writes text, looks at and draws images (see ``miniature.model.network``)."""

    class Settings(BaseModel):
        """``weights``: a folder with ``model.safetensors`` and ``config.json``; ``steps``: of the sampler;
        ``sketch_steps``, ``refine_steps``: the same of a process, by default ``steps``; ``guidance``: 1 is none;
        ``temperature``: of its words, by default that of BAGEL's, 0 takes the likeliest;
        ``dtype``: in float64 an image is the same bytes in any batch and on any machine."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: Path | Literal["embedded"] = "embedded"
        steps: int = Field(default=8, ge=1, le=1000)
        sketch_steps: int | None = Field(default=None, ge=1, le=1000)
        refine_steps: int | None = Field(default=None, ge=1, le=1000)
        guidance: float = Field(default=1.0, ge=0, le=50)
        temperature: float = Field(default=0.3, ge=0, le=10)
        dtype: Literal["float64", "float32"] = "float64"
        device: str = "auto"
        batch_size: int = Field(default=64, ge=1, le=4096)

    name = "miniature"
    formats: ClassVar[tuple[str, ...]] = ("strokes",)
    continues = False
    replays = True

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or self.Settings()
        self.batch_size = self._settings.batch_size
        self.guided = self._settings.guidance != 1
        folder = self._settings.weights
        self._folder = embedded_weights("unified") if isinstance(folder, str) else folder
        self._loaded: tuple[Network, Codec] | None = None

    @cached_property
    def _config(self) -> dict[str, Any]:
        """The network's sizes, and in ``words`` the vocabulary that it has learnt."""
        from evalharness.miniature.model.tokenizer import MARKERS

        folder = self._weights_file.parent
        try:
            config: dict[str, Any] = json.loads((folder / "config.json").read_text())
            if not isinstance(config["words"], list) or not set(MARKERS) <= set(config["words"]):
                raise ValueError("its words are none of the miniature's")
            return config
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"{folder} is not a checkpoint of the miniature: config.json: {error}") from error

    @property
    def _weights_file(self) -> Path:
        return checked_folder(self._folder, (MODEL, "config.json")) / MODEL

    @property
    def _marked(self) -> bool:
        """Whether the checkpoint has tokens that start and end an image."""
        return bool(self._config.get("marked", False))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from evalharness.miniature.model.tokenizer import Tokenizer

        return Tokenizer(self._config["words"])

    @property
    def remembers(self) -> bool:  # type: ignore[override]
        """Whether the checkpoint learned to go on from its last plan."""
        return bool(self._config.get("remembers", False))

    def identity(self) -> Mapping[str, Any]:
        chosen = self._settings
        process_steps = {"sketch_steps": chosen.sketch_steps, "refine_steps": chosen.refine_steps}
        return {
            "name": self.name,
            "weights": file_digest(self._weights_file),
            "config": digest(self._config),
            "dtype": chosen.dtype,
            "steps": chosen.steps,
            **{name: steps for name, steps in process_steps.items() if steps is not None},
            "guidance": chosen.guidance,
            "temperature": chosen.temperature,
        }

    def estimate(self, variant: Variant) -> float:
        """Seconds that a trajectory takes at most, about: as measured on two CPU cores."""
        step = 0.02 / 12 * (2 if self.guided else 1)
        draw, write = step * self._settings.steps, 0.01
        if isinstance(variant, Process):
            rounds = variant.refinements
            drawing = self._sampler_steps("sketch") + variant.refine * rounds * self._sampler_steps("refine")
            texts = 1 + rounds * (variant.inspect + variant.refine)
            return variant.max_iterations * (drawing * step + texts * write)
        if isinstance(variant, BestOfN):
            return variant.n * (draw + write)
        return draw + (write if isinstance(variant, TextCot) else 0)

    def check(self, prompt: str) -> None:
        tokens = len(self._tokenizer.encode(prompt))
        if not tokens:
            raise SampleError("the prompt is empty")
        if tokens > LONGEST_PROMPT:
            raise SampleError(f"the prompt has {tokens} tokens; the miniature reads at most {LONGEST_PROMPT}")

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        contexts = self.start(len(prompts))
        self.read(contexts, [f"<text> {prompt} </text>" for prompt in prompts])
        return self.draw(contexts, unguided=self.start(len(prompts)) if self.guided else [], seeds=seeds)

    def start(self, count: int) -> list[MiniatureContext]:
        from evalharness.miniature.model import contexts

        network, _ = self.load()
        return contexts.start(network, count)

    def blank(self) -> Image.Image:
        from evalharness.miniature.world.board import BACKGROUND, SIZE

        return Image.new("RGB", (SIZE, SIZE), BACKGROUND)

    def read(self, contexts: Sequence[MiniatureContext], texts: Sequence[str]) -> None:
        import torch

        from evalharness.miniature.model.contexts import read

        network, _ = self.load()
        with torch.inference_mode():
            read(network, contexts, [self._tokenizer.encode(text) for text in texts])

    def look(self, contexts: Sequence[MiniatureContext], images: Sequence[Image.Image]) -> None:
        from evalharness.miniature.model.tokenizer import IMAGE, IMAGE_END

        if self._marked:
            self.read(contexts, [IMAGE] * len(contexts))
        self._see(contexts, images)
        if self._marked:
            self.read(contexts, [IMAGE_END] * len(contexts))

    def _see(self, contexts: Sequence[MiniatureContext], images: Sequence[Image.Image]) -> None:
        import torch

        from evalharness.miniature.model.codec import to_pixels
        from evalharness.miniature.model.contexts import look

        network, codec = self.load()
        with torch.inference_mode():
            pixels = torch.stack([to_pixels(image) for image in images]).to(network.words.weight.device)
            look(network, contexts, codec.encode(pixels))

    def write(
        self,
        contexts: Sequence[MiniatureContext],
        *,
        stop: Sequence[str],
        max_tokens: int,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        import torch

        from evalharness.miniature.model.contexts import write
        from evalharness.miniature.model.tokenizer import IMAGE, IMAGE_END

        network, _ = self.load()
        if before := " ".join(filter(None, (ask, opening))):
            self.read(contexts, [before] * len(contexts))
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        # Asked for a text it writes one: after a prompt it has learned to draw at once as well as to think first.
        marks = [self._tokenizer.id(mark) for mark in (IMAGE, IMAGE_END)] if self._marked else []

        def choose(index: int, logits: torch.Tensor) -> int:
            check_finite(logits, "the next word's logits")
            logits[marks] = -torch.inf
            if self._settings.temperature == 0:
                return int(logits.argmax())
            chances = (logits.cpu() / self._settings.temperature).softmax(dim=-1)
            return int(torch.multinomial(chances, 1, generator=generators[index]))

        with torch.inference_mode():
            ends = {self._tokenizer.id(marker) for marker in stop}
            written = write(network, contexts, ends, max_tokens, choose)
        return [Written(self._tokenizer.decode(ids), len(ids), ids[-1] in ends) for ids in written]

    def draw(
        self,
        contexts: Sequence[MiniatureContext],
        *,
        unguided: Sequence[MiniatureContext],
        seeds: Sequence[int],
        kind: StepKind = "draw",
    ) -> list[Drawn]:
        import torch

        from evalharness.miniature.model.contexts import draw
        from evalharness.miniature.model.tokenizer import IMAGE

        network, codec = self.load()
        if self._marked:
            # The mark belongs to the drawing, and like it is not kept.
            contexts, unguided = [copy(context) for context in contexts], [copy(context) for context in unguided]
            for copies in (contexts, unguided):
                self.read(copies, [IMAGE] * len(copies))
        # Noise is drawn on the CPU in float32, so that a seed means the same on every device and in every precision.
        shape = (network.config.cells, network.config.latent)
        noise = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
        steps = self._sampler_steps(kind)
        times = [1 - i / steps for i in range(steps)] + [0.0]
        with torch.inference_mode():
            latents = draw(network, contexts, unguided, noise.to(network.words.weight), times, self._settings.guidance)
            pixels = codec.decode(latents).cpu().numpy()
        return [Drawn(Image.fromarray(image), steps) for image in pixels]

    def _sampler_steps(self, kind: StepKind) -> int:
        chosen = self._settings
        by_kind = {"sketch": chosen.sketch_steps, "refine": chosen.refine_steps}
        return by_kind.get(kind) or chosen.steps

    def load(self) -> tuple[Network, Codec]:
        """Read the weights, once."""
        if self._loaded is None:
            import torch
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            from evalharness.miniature.model.codec import Codec
            from evalharness.miniature.model.network import Network, NetworkConfig

            file = self._weights_file
            device = torch.device(pick_device(self._settings.device))
            try:
                config = {key: value for key, value in self._config.items() if key not in _OTHER_KEYS}
                dtype = getattr(torch, self._settings.dtype)
                tensors = {name: value.to(dtype) for name, value in load_file(file).items()}
                basis = tensors.pop("codec.basis")
                with torch.device("meta"):  # takes no memory, whatever sizes the config asks for
                    network = Network(NetworkConfig(**config))
                network.load_state_dict(tensors, assign=True)
            except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
                what = " ".join(str(error).split())[:200]
                raise WeightsError(f"{file.parent} is not a checkpoint of the miniature: {what}") from error
            self._loaded = network.eval().requires_grad_(False).to(device), Codec(basis.to(device))
        return self._loaded
