"""A loaded BAGEL behind the plugin: texts, images and seeds in, texts and images out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from evalharness.api.model import Written
from evalharness.errors import ConfigError
from evalharness.models.bagel import images as pictures
from evalharness.models.bagel import published
from evalharness.models.bagel.autoencoder import DOWN
from evalharness.models.bagel.batching import Batching, Part
from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.config import LATENT_PATCH
from evalharness.models.bagel.drawing import draw
from evalharness.models.bagel.loading import load
from evalharness.models.bagel.memory import Placement
from evalharness.models.bagel.settings import Settings
from evalharness.models.bagel.tokens import TEXT_END, TEXT_START, Tokens
from evalharness.models.bagel.verbs import STRIDE, Bagel
from evalharness.models.bagel.vision import to_patches

R = TypeVar("R")

LANES = (16,)
"""Tokens that are written in one pass, in mode ``exact``; so many rows cost a GPU no more than one."""
LANES_OF_A_CPU = (4, 8, 16)
"""The same where they do. One row by itself takes another way, to other bytes."""
RENEW = 2
"""In mode ``fast``, every so many evaluations look at what guidance leads away from."""


class Runtime:
    """The verbs of the plugin. Noise and words are drawn on the CPU in float32, each sample's from its own seed: a seed
    means the same on every device.

    ``exact``: a sample's tokens, guidance included, are passes of their own, but for what is written token by token.
    What it comes to follows from it alone, to the last bit. ``fast``: all samples are one pass, sums are in the
    precision of the weights, and guidance is looked at in every other evaluation.
    """

    def __init__(self, settings: Settings, devices: Sequence[str]) -> None:
        placement = Placement([torch.device(name) for name in devices])
        self.settings = settings
        self.device = placement.first
        weights, dtype = published.folder(settings.weights), getattr(torch, settings.dtype)
        network, autoencoder = load(weights, dtype, placement, settings.image_tokens)
        self.tokens = Tokens(weights, network.sizes.language.vocab_size)
        self.bagel = Bagel(network, autoencoder, self.tokens.markers)
        self.batching = Batching(settings.context_tokens)
        self._check_sizes()
        self._exact = settings.mode == "exact"
        if self._exact:
            with self._computing():
                lanes = network.rows_alike(LANES_OF_A_CPU if self.device.type == "cpu" else LANES)
                self.bagel.lanes = lanes if lanes and lanes[-1] == LANES[-1] else (1,)
        else:
            network.sums = getattr(torch, settings.dtype)

    def fork(self, contexts: Sequence[Context]) -> list[Context]:
        """Copies that grow on their own from here."""
        copies = [context.copy() for context in contexts]
        self.batching.know(copies)
        return copies

    def read(self, contexts: Sequence[Context], texts: Sequence[str], *, newest: bool = True) -> None:

        def reading(part: Part) -> list[Tensor]:
            ids = [self.tokens.encode(texts[i]) for i in part]
            return self.bagel.read([contexts[i] for i in part], ids, newest=newest)

        self._run(contexts, reading)

    def look(self, contexts: Sequence[Context], images: Sequence[Image.Image], *, understand: bool = False) -> None:
        """``understand``: without the autoencoder, and no drawing will come of it."""
        branch = not understand and self.settings.sampler(editing=True).image_scale > 1

        def looking(part: Part) -> list[Tensor]:
            own = [contexts[i] for i in part]
            fitted = [pictures.fit(pictures.on_white(images[i]), *self.settings.vae_sizes, STRIDE) for i in part]
            pairs = zip(fitted, own, strict=True)
            latents = [None if understand else self.encode(image, _glimpse(context)) for image, context in pairs]
            return self.bagel.look(own, latents, [self.patches(image) for image in fitted], branch=branch)

        self._run(contexts, looking)

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
        done = self.tokens.finished(wanted)

        def writing(part: Part) -> list[Written]:
            own = [contexts[i] for i in part]
            starts = [(context.whole.cache.length, context.whole.position) for context in own]
            choose = self._chooser([seeds[i] for i in part])
            written = self.bagel.write(own, [begun] * len(own), ends=ends, done=done, limit=limit, choose=choose)
            texts = [self._text(ids, ends, wanted) for ids in written]
            fed = [[markers.text_start, *begun, *ids] for ids in written]
            read = [self.tokens.encode(opening + text) for text in texts]
            settled = [slice(n, n + 1) for n in range(len(own))] if self._exact else [slice(None)]
            for some in settled:
                self.bagel.settle(own[some], starts[some], fed[some], read[some])
            ended = [ids[-1] in ends or done(0, ids) for ids in written]
            return [Written(text, len(ids), end) for text, ids, end in zip(texts, written, ended, strict=True)]

        if ask:
            self.read(contexts, [ask] * len(contexts), newest=False)
        return self._run(contexts, writing, alone=False)

    def draw(
        self, contexts: Sequence[Context], seeds: Sequence[int], sizes: Sequence[tuple[int, int]] | None = None
    ) -> list[Image.Image]:
        """``sizes``: widths and heights, by default those of the settings."""
        _remember(contexts, seeds)
        chosen = [(self.settings.width, self.settings.height)] * len(contexts) if sizes is None else sizes
        grids = [(height // STRIDE, width // STRIDE) for width, height in chosen]
        numbers = self.bagel.network.sizes.latent_width

        def drawing(part: Part) -> list[Image.Image]:
            own = [contexts[i] for i in part]
            shapes = [(grids[i][0] * grids[i][1], numbers) for i in part]
            drawn = [torch.randn(shape, generator=generator(seeds[i])) for i, shape in zip(part, shapes, strict=True)]
            noise = [one.to(self.device) for one in drawn]
            samplers = [self.settings.sampler(editing=context.holds_image) for context in own]
            renew = 1 if self._exact else RENEW
            latents = draw(self.bagel, own, noise, [grids[i] for i in part], samplers, renew=renew)
            return [self.decode(one) for one in latents]

        return self._run(contexts, drawing)

    def seen_size(self, image: Image.Image) -> tuple[int, int]:
        """Width and height that an image is looked at in."""
        return pictures.fitted_size(*image.size, *self.settings.vae_sizes, STRIDE)

    def encode(self, image: Image.Image, noise: torch.Generator) -> Tensor:
        """The latents of an image, sampled from the autoencoder's posterior."""
        pixels = pictures.to_tensor(pictures.fit(image, *self.settings.vae_sizes, STRIDE))
        shape = (self.bagel.network.sizes.latent_channels, *(side // DOWN for side in pixels.shape[1:]))
        drawn = torch.randn((1, *shape), generator=noise)[0]
        with self._computing(low=False):
            return self.bagel.autoencoder.encode(pixels.to(self.device), drawn.to(self.device))

    def decode(self, latents: Tensor) -> Image.Image:
        with self._computing(low=False):
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

    def _chooser(self, seeds: Sequence[int]) -> Callable[[int, Tensor], int]:
        """A token out of the logits of what a sample writes."""
        generators = [generator(seed) for seed in seeds]

        def choose(index: int, logits: Tensor) -> int:
            if self.settings.temperature == 0:
                return int(logits.argmax())
            chances = (logits.cpu() / self.settings.temperature).softmax(dim=-1)
            return int(torch.multinomial(chances, 1, generator=generators[index]))

        return choose

    def _run(self, contexts: Sequence[Context], work: Callable[[Part], list[R]], alone: bool = True) -> list[R]:
        """``alone``: in mode ``exact``, one by one."""
        with self._computing():
            return self.batching.run(contexts, work, alone=alone and self._exact)

    @contextmanager
    def _computing(self, low: bool = True) -> Iterator[None]:
        low = low and self.settings.dtype == "bfloat16"
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
