"""A loaded BAGEL behind the plugin: texts, images and seeds in, texts and images out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from PIL import Image
from torch import Tensor

from evalharness.errors import ConfigError
from evalharness.models.bagel import images as pictures
from evalharness.models.bagel import published
from evalharness.models.bagel.autoencoder import DOWN
from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.config import LATENT_PATCH
from evalharness.models.bagel.loading import load
from evalharness.models.bagel.memory import Placement
from evalharness.models.bagel.settings import Settings
from evalharness.models.bagel.tokens import TEXT_END, TEXT_START, Tokens
from evalharness.models.bagel.verbs import STRIDE, Bagel
from evalharness.models.bagel.vision import to_patches
from evalharness.models.base import Written


class Runtime:
    """The verbs of the plugin. Noise and words are drawn on the CPU in float32, each sample's from its own seed: a seed
    means the same on every device.
    """

    def __init__(self, settings: Settings, devices: Sequence[str]) -> None:
        placement = Placement([torch.device(name) for name in devices])
        self.settings = settings
        self.device = placement.first
        weights, dtype = published.folder(settings.weights), getattr(torch, settings.dtype)
        network, autoencoder = load(weights, dtype, placement, settings.image_tokens)
        self.tokens = Tokens(weights, network.sizes.language.vocab_size)
        self.bagel = Bagel(network, autoencoder, self.tokens.markers)
        self._check_sizes()

    def read(self, contexts: Sequence[Context], texts: Sequence[str], *, newest: bool = True) -> None:
        with self._computing():
            self.bagel.read(contexts, [self.tokens.encode(text) for text in texts], newest=newest)

    def look(self, contexts: Sequence[Context], images: Sequence[Image.Image], *, understand: bool = False) -> None:
        """``understand``: without the autoencoder, and no drawing will come of it."""
        fitted = [pictures.fit(pictures.on_white(image), *self.settings.vae_sizes, STRIDE) for image in images]
        with self._computing():
            pairs = zip(fitted, contexts, strict=True)
            latents = [None if understand else self.encode(image, _glimpse(context)) for image, context in pairs]
            patches = [self.patches(image) for image in fitted]
            branch = not understand and self.settings.sampler(editing=True).image_scale > 1
            self.bagel.look(contexts, latents, patches, branch=branch)

    def write(
        self,
        contexts: Sequence[Context],
        stop: Sequence[str],
        limit: int,
        seeds: Sequence[int],
        *,
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        """A text ends with ``<|im_end|>``, which is no part of it, or with a marker of ``stop``, which is. Where only
        ``<|im_end|>`` is asked for, nothing else ends it; otherwise the model may also go over to an image by itself.
        """
        _remember(contexts, seeds)
        markers = self.tokens.markers
        ends = {markers.text_end} if TEXT_END in stop else {markers.text_end, markers.image_start}
        wanted = [marker for marker in stop if marker != TEXT_END]
        begun = self.tokens.encode(opening) if opening else []
        generators = [generator(seed) for seed in seeds]

        def choose(index: int, logits: Tensor) -> int:
            if self.settings.temperature == 0:
                return int(logits.argmax())
            chances = (logits.cpu() / self.settings.temperature).softmax(dim=-1)
            return int(torch.multinomial(chances, 1, generator=generators[index]))

        with self._computing():
            if ask:
                self.bagel.read(contexts, [self.tokens.encode(ask)] * len(contexts), newest=False)
            starts = [(context.whole.cache.length, context.whole.position) for context in contexts]
            written = self.bagel.write(
                contexts,
                [begun] * len(contexts),
                ends=ends,
                done=self.tokens.finished(wanted),
                limit=limit,
                choose=choose,
            )
            texts = [self._text(ids, ends, wanted) for ids in written]
            fed = [[markers.text_start, *begun, *ids] for ids in written]
            self.bagel.settle(contexts, starts, fed, [self.tokens.encode(opening + text) for text in texts])
        return [Written(text, len(ids)) for text, ids in zip(texts, written, strict=True)]

    def draw(self, contexts: Sequence[Context], seeds: Sequence[int]) -> list[Image.Image]:
        _remember(contexts, seeds)
        grid = (self.settings.height // STRIDE, self.settings.width // STRIDE)
        shape = (grid[0] * grid[1], self.bagel.network.sizes.latent_width)
        noise = [torch.randn(shape, generator=generator(seed)).to(self.device) for seed in seeds]
        samplers = [self.settings.sampler(editing=context.holds_image) for context in contexts]
        with self._computing():
            latents = self.bagel.draw(contexts, noise, [grid] * len(contexts), samplers)
        return [self.decode(one) for one in latents]

    def encode(self, image: Image.Image, noise: torch.Generator) -> Tensor:
        """The latents of an image, sampled from the autoencoder's posterior."""
        pixels = pictures.to_tensor(pictures.fit(image, *self.settings.vae_sizes, STRIDE))
        shape = (self.bagel.network.sizes.latent_channels, *(side // DOWN for side in pixels.shape[1:]))
        drawn = torch.randn((1, *shape), generator=noise)[0]
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            return self.bagel.autoencoder.encode(pixels.to(self.device), drawn.to(self.device))

    def decode(self, latents: Tensor) -> Image.Image:
        with torch.inference_mode():
            return pictures.to_image(self.bagel.autoencoder.decode(latents))

    def patches(self, image: Image.Image) -> tuple[Tensor, int, int]:
        """The patches that the vision transformer sees of an image, their rows and columns."""
        size = self.bagel.network.sizes.vision.patch_size
        pixels = pictures.to_tensor(pictures.fit(image, *self.settings.vit_sizes, size)).to(self.device)
        return to_patches(pixels, size), pixels.shape[1] // size, pixels.shape[2] // size

    def _text(self, ids: Sequence[int], ends: set[int], stop: Sequence[str]) -> str:
        text = self.tokens.decode(ids[:-1] if ids[-1] in ends else ids).partition(TEXT_START)[0]
        found = [text.index(marker) + len(marker) for marker in stop if marker in text]
        return text[: min(found)] if found else text

    @contextmanager
    def _computing(self) -> Iterator[None]:
        low = self.settings.dtype == "bfloat16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=low):
            yield

    def _check_sizes(self) -> None:
        """No image may reach beyond the tables of places."""
        sizes = self.bagel.network.sizes
        most = sizes.latent_side * DOWN * LATENT_PATCH
        for name, side in (
            ("height", self.settings.height), ("width", self.settings.width), ("vae_sizes", self.settings.vae_sizes[0]),
        ):  # fmt: skip
            if side > most:
                raise ConfigError(f"{name}: this checkpoint has places for images of up to {most} pixels a side")
        if self.settings.vit_sizes[0] > sizes.vision.image_size:
            raise ConfigError(f"vit_sizes: this checkpoint sees at most {sizes.vision.image_size} pixels a side")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _glimpse(context: Context) -> torch.Generator:
    """The noise with which the next image is seen: of the sample's own seed and of the place in its context."""
    digest = hashlib.sha256(f"look/{context.seed}/{context.whole.position}".encode()).digest()
    return generator(int.from_bytes(digest[:8], "big") >> 1)


def _remember(contexts: Sequence[Context], seeds: Sequence[int]) -> None:
    for context, seed in zip(contexts, seeds, strict=True):
        context.seed = seed
