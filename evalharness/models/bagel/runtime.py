"""A loaded BAGEL behind the plugin: texts, images and seeds in, texts and images out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from evalharness._util import environment
from evalharness._util.finite import check_finite
from evalharness.api.model import Written
from evalharness.errors import ConfigError
from evalharness.models.bagel import images as pixel_images
from evalharness.models.bagel.autoencoder import DOWN
from evalharness.models.bagel.batching import Batching, Part
from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.config import LATENT_PATCH
from evalharness.models.bagel.drawing import draw
from evalharness.models.bagel.loading import load
from evalharness.models.bagel.memory import Placement
from evalharness.models.bagel.settings import Settings
from evalharness.models.bagel.token_sampling import TokenSampler
from evalharness.models.bagel.tokens import TEXT_END, TEXT_START, Tokens
from evalharness.models.bagel.verbs import STRIDE, BagelVerbs
from evalharness.models.bagel.vision import to_patches

R = TypeVar("R")

GPU_ROW_COUNTS = (16,)
"""Rows of a pass that writes tokens in mode ``exact``. A GPU needs no more time for 16 rows than for one."""
CPU_ROW_COUNTS = (4, 8, 16)
"""The same on a CPU, where more rows take more time. One row is left out: it is computed to slightly other values."""
GUIDANCE_EVERY = 2
"""Interval, in evaluations of the velocity, at which guidance is evaluated in mode ``fast``."""
ATTENTION = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
"""The kernels of attention, each where those before it do not take dtype, device or mask. PyTorch's own order differs
between its versions and cards."""


class Runtime:
    """The verbs of the plugin over texts and images.

    Random numbers, those of noise and those that choose tokens, are drawn on the CPU from each sample's own seed, so
    that a seed means the same on every device.

    In mode ``exact``, each sample has passes of its own, guidance included, except when tokens are written one by one;
    its outcome depends on the sample alone, to the last bit. In mode ``fast``, all samples share a pass, and guidance
    is evaluated at every other evaluation. The dtype of the residual stream is a setting of its own.
    """

    def __init__(self, settings: Settings, devices: Sequence[str]) -> None:
        placement = Placement([torch.device(name) for name in devices])
        self.settings = settings
        self.device = placement.first
        files, dtype = settings.files(), getattr(torch, settings.dtype)
        network, autoencoder = load(files, dtype, placement, settings.image_tokens)
        self.tokens = Tokens(files.tokenizer[0].parent, network.sizes.language.vocab_size)
        self.bagel = BagelVerbs(network, autoencoder, self.tokens.markers)
        self.batching = Batching(settings.context_tokens)
        self._check_sizes()
        self._exact = settings.mode == "exact"
        network.residual_dtype = getattr(torch, settings.residual_dtype)
        environment.note("attention", ", ".join(kernel.name.partition("_")[0].lower() for kernel in ATTENTION))
        if self._exact:
            with self._computing():
                candidates = CPU_ROW_COUNTS if self.device.type == "cpu" else GPU_ROW_COUNTS
                row_counts = network.reproducible_row_counts(candidates)
                self.bagel.row_counts = row_counts if candidates[-1] in row_counts else (1,)

    def fork(self, contexts: Sequence[Context]) -> list[Context]:
        """Independent copies."""
        copies = [context.copy() for context in contexts]
        self.batching.register(copies)
        return copies

    def read(self, contexts: Sequence[Context], texts: Sequence[str], *, newest: bool = True) -> None:
        """Append a text to each context; if ``newest``, text guidance strengthens it and all that follows."""

        def reading(part: Part) -> list[Tensor]:
            ids = [self.tokens.encode(texts[i]) for i in part]
            return self.bagel.read([contexts[i] for i in part], ids, newest=newest)

        self._run(contexts, reading)

    def look(self, contexts: Sequence[Context], images: Sequence[Image.Image], *, understand: bool = False) -> None:
        """Append an image to each context; ``understand`` leaves out the autoencoder, for contexts that never draw."""
        branch = not understand and self.settings.sampler(editing=True).image_scale > 1

        def looking(part: Part) -> list[Tensor]:
            viewers = [contexts[i] for i in part]
            fitted = [
                pixel_images.fit(pixel_images.on_white(images[i]), *self.settings.vae_sizes, STRIDE) for i in part
            ]
            latents: list[Tensor | None] = [None] * len(part)
            if not understand:
                pairs = zip(fitted, viewers, strict=True)
                latents = [self.encode(image, _look_noise(context)) for image, context in pairs]
            return self.bagel.look(viewers, latents, [self.patches(image) for image in fitted], branch=branch)

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
        """Write a text behind each context.

        A text ends with ``<|im_end|>``, which is not part of it, or with a marker of ``stop``, which is. If ``stop``
        has ``<|im_end|>``, an image that the model starts by itself does not end the text.

        Args:
            contexts: the text becomes part of them.
            stop: markers that end a text.
            limit: maximum number of tokens.
            seeds: the samples' seeds.
            opening: the text to begin with.
            ask: a text to read first.
        """
        _store_seeds(contexts, seeds)
        markers = self.tokens.markers
        ends = {markers.text_end} if TEXT_END in stop else {markers.text_end, markers.image_start}
        stop_markers = [marker for marker in stop if marker != TEXT_END]
        opening_ids = self.tokens.encode(opening) if opening else []
        done = self.tokens.stop_condition(stop_markers)

        def writing(part: Part) -> list[Written]:
            writers = [contexts[i] for i in part]
            starts = [(context.full.cache.length, context.full.position) for context in writers]
            written = self.bagel.write(
                writers,
                [opening_ids] * len(writers),
                ends=ends,
                done=done,
                limit=limit,
                choose=TokenSampler(self.settings.temperature, [seeds[i] for i in part]),
            )
            texts = [self._text(ids, ends, stop_markers) for ids in written]
            fed = [[markers.text_start, *opening_ids, *ids] for ids in written]
            encoded = [self.tokens.encode(opening + text) for text in texts]
            batches = [slice(n, n + 1) for n in range(len(writers))] if self._exact else [slice(None)]
            for batch in batches:
                self.bagel.settle(writers[batch], starts[batch], fed[batch], encoded[batch])
            ended = [ids[-1] in ends or done(0, ids) for ids in written]
            return [Written(text, len(ids), end) for text, ids, end in zip(texts, written, ended, strict=True)]

        if ask:
            self.read(contexts, [ask] * len(contexts), newest=False)
        return self._run(contexts, writing, alone=False)

    def reread(
        self,
        contexts: Sequence[Context],
        texts: Sequence[str],
        seeds: Sequence[int],
        *,
        opening: str = "",
        ask: str = "",
    ) -> None:
        """Append texts that were written before: :meth:`write` leaves them in the context as they are read."""
        _store_seeds(contexts, seeds)
        if ask:
            self.read(contexts, [ask] * len(contexts), newest=False)
        self.read(contexts, [opening + text for text in texts], newest=False)

    def note_drawn(self, contexts: Sequence[Context], seeds: Sequence[int]) -> None:
        """Keep the seeds with which images were drawn before: they decide the noise with which these are seen."""
        _store_seeds(contexts, seeds)

    def draw(
        self, contexts: Sequence[Context], seeds: Sequence[int], sizes: Sequence[tuple[int, int]] | None = None
    ) -> list[Image.Image]:
        """Draw an image behind each context; ``sizes``: widths and heights, by default those of the settings."""
        _store_seeds(contexts, seeds)
        chosen = [(self.settings.width, self.settings.height)] * len(contexts) if sizes is None else sizes
        grids = [(height // STRIDE, width // STRIDE) for width, height in chosen]
        latent_width = self.bagel.network.sizes.latent_width

        def drawing(part: Part) -> list[Image.Image]:
            noise = []
            for i in part:
                rows, columns = grids[i]
                noise.append(torch.randn((rows * columns, latent_width), generator=generator(seeds[i])).to(self.device))
            latents = draw(
                self.bagel,
                [contexts[i] for i in part],
                noise,
                [grids[i] for i in part],
                [self.settings.sampler(editing=contexts[i].holds_image) for i in part],
                guidance_every=1 if self._exact else GUIDANCE_EVERY,
            )
            return [self.decode(sample) for sample in latents]

        return self._run(contexts, drawing)

    def seen_size(self, image: Image.Image) -> tuple[int, int]:
        """Width and height at which an image is seen."""
        return pixel_images.fitted_size(*image.size, *self.settings.vae_sizes, STRIDE)

    def encode(self, image: Image.Image, noise: torch.Generator) -> Tensor:
        """Latents of an image, sampled from the autoencoder's posterior, ``(channels, height, width)``."""
        pixels = pixel_images.to_tensor(pixel_images.fit(image, *self.settings.vae_sizes, STRIDE))
        shape = (self.bagel.network.sizes.latent_channels, *(side // DOWN for side in pixels.shape[1:]))
        sampled = torch.randn((1, *shape), generator=noise)[0]
        with self._computing(low_precision=False):
            return self.bagel.autoencoder.encode(pixels.to(self.device), sampled.to(self.device))

    def decode(self, latents: Tensor) -> Image.Image:
        """The image of latents ``(channels, height, width)``."""
        with self._computing(low_precision=False):
            pixels = self.bagel.autoencoder.decode(latents)
            check_finite(pixels, "the drawing's pixels")
            return pixel_images.to_image(pixels)

    def patches(self, image: Image.Image) -> tuple[Tensor, int, int]:
        """An image's patches for the vision transformer, their rows and columns."""
        size = self.bagel.network.sizes.vision.patch_size
        pixels = pixel_images.to_tensor(pixel_images.fit(image, *self.settings.vit_sizes, size)).to(self.device)
        return to_patches(pixels, size), pixels.shape[1] // size, pixels.shape[2] // size

    def _text(self, ids: Sequence[int], ends: set[int], stop: Sequence[str]) -> str:
        """The text of written tokens, up to the first marker of ``stop``."""
        text = self.tokens.decode(ids[:-1] if ids[-1] in ends else ids).partition(TEXT_START)[0]
        ends_of_markers = [text.index(marker) + len(marker) for marker in stop if marker in text]
        return text[: min(ends_of_markers)] if ends_of_markers else text

    def _run(self, contexts: Sequence[Context], work: Callable[[Part], list[R]], alone: bool = True) -> list[R]:
        """Run work in parts that fit in memory; if ``alone``, one by one in mode ``exact``."""
        with self._computing():
            return self.batching.run(contexts, work, alone=alone and self._exact)

    @contextmanager
    def _computing(self, low_precision: bool = True) -> Iterator[None]:
        """Inference mode and the chosen kernels, with autocast to bfloat16 if the weights have that dtype."""
        autocast = torch.autocast(
            self.device.type, torch.bfloat16, enabled=low_precision and self.settings.dtype == "bfloat16"
        )
        with torch.inference_mode(), autocast, sdpa_kernel([*ATTENTION], set_priority=True):
            yield

    def _check_sizes(self) -> None:
        """Raise ConfigError if images could exceed the tables of positions."""
        sizes = self.bagel.network.sizes
        max_side = sizes.latent_side * DOWN * LATENT_PATCH
        for name, side in (
            ("height", self.settings.height), ("width", self.settings.width), ("vae_sizes", self.settings.vae_sizes[0]),
        ):  # fmt: skip
            if side > max_side:
                raise ConfigError(f"{name}: this checkpoint has places for images of up to {max_side} pixels a side")
        if self.settings.vit_sizes[0] > sizes.vision.image_size:
            raise ConfigError(f"vit_sizes: this checkpoint sees at most {sizes.vision.image_size} pixels a side")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _look_noise(context: Context) -> torch.Generator:
    """Generator of the noise with which the next image is seen, from the sample's seed and the position."""
    digest = hashlib.sha256(f"look/{context.seed}/{context.full.position}".encode()).digest()
    return generator(int.from_bytes(digest[:8], "big") >> 1)


def _store_seeds(contexts: Sequence[Context], seeds: Sequence[int]) -> None:
    for context, seed in zip(contexts, seeds, strict=True):
        context.seed = seed
