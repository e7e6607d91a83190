"""Scores images with a benchmark's scorer, without a sweep: ``eh.scorer("geneval").score(images, prompts)``."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import ValidationError

from evalharness._util.image_files import is_transparent
from evalharness._util.validation import error_line
from evalharness.api import registry
from evalharness.api.benchmark import Benchmark
from evalharness.api.named_items import NamedItems
from evalharness.api.plugin import versioned_identity
from evalharness.api.rewards import Rewarding
from evalharness.api.scoring import score_images
from evalharness.config.setting_paths import with_absolute_paths
from evalharness.errors import ConfigError, did_you_mean
from evalharness.types.item import Item
from evalharness.types.score import Score


def scorer(
    benchmark: str, *, detector: str | Mapping[str, Any] | None = None, weights: str | None = None, **settings: Any
) -> ImageScorer:
    """Make a benchmark's scorer, which keeps its networks in memory between calls.

    Args:
        benchmark: A benchmark plugin, such as ``geneval``.
        detector: The detector, if the benchmark has one: a name, or a mapping of a name and settings.
        weights: Weights of all networks of the scorer: ``embedded``, ``official``, or for the detector a folder.
        settings: Other keys of the benchmark, as in a sweep file.

    Raises:
        ConfigError: A setting is wrong.
        PluginError: There is no such benchmark, or a package is missing.
    """
    plugin = registry.load("benchmarks", benchmark)
    settings_class = plugin.Settings
    fields = settings_class.model_fields
    if detector is not None:
        settings["detector"] = dict(detector) if isinstance(detector, Mapping) else {"name": detector}
    if weights is not None and "detector" in fields:
        settings["detector"] = {"name": "mask2former"} | settings.get("detector", {}) | {"weights": weights}
    if weights in ("embedded", "official") and "colors" in fields:
        settings["colors"] = settings.get("colors", {}) | {"weights": weights}
    for key in settings:
        if key not in fields:
            raise ConfigError(f"benchmark {benchmark!r} has no setting {key!r}{did_you_mean(key, fields)}")
    try:
        checked = with_absolute_paths(settings_class.model_validate(settings), Path.cwd())
    except ValidationError as error:
        raise ConfigError(f"benchmark {benchmark!r}: {error_line(error, settings_class)}") from None
    return ImageScorer(plugin(checked))


class ImageScorer:
    """Scores images for a benchmark's prompts. Made by :func:`scorer`."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._benchmark = benchmark
        self._scorer = benchmark.scorer()
        self._label = f"benchmark {benchmark.name!r}"
        self._busy = asyncio.Lock()

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides a score: protocol version, networks with their weights' digests, thresholds."""
        return versioned_identity(self._scorer.identity(), self._benchmark)

    @cached_property
    def items(self) -> list[Item]:
        """The benchmark's prompts with their metadata."""
        return self._benchmark.items()

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str | Item]) -> list[Score]:
        """Score images.

        Args:
            images: RGB images of any size. Transparent ones are scored without their transparency, with a warning of
                Python's that counts them.
            prompts: For each image, a prompt of the benchmark or an item: one of the benchmark's, see :meth:`item`, or
                one with your own metadata.

        Returns:
            A score for each image, in order.

        Raises:
            ConfigError: The numbers of images and prompts differ, or the benchmark has no such prompt, or several items
                with it that are scored differently.
            SampleError: An image cannot be scored.
            NotFiniteError: The scorer computes NaN or infinite numbers.
        """
        if len(images) != len(prompts):
            raise ConfigError(f"{len(images)} images for {len(prompts)} prompts")
        items = [self._item(prompt) for prompt in prompts]
        if transparent := sum(map(is_transparent, images)):
            message = f"{transparent} of {len(images)} images are transparent; scored without their transparency"
            warnings.warn(message, stacklevel=2)
        return score_images(self._scorer, images, items, self._label)

    async def score_async(self, images: Sequence[Image.Image], prompts: Sequence[str | Item]) -> list[Score]:
        """Like :meth:`score`, in a thread, so that the event loop goes on; one call after the other."""
        async with self._busy:
            return await asyncio.to_thread(self.score, images, prompts)

    def rewards(self, prompts: Sequence[str | Item], scores: Sequence[Score]) -> list[Mapping[str, float]]:
        """The rewards besides each score, by name; empty for a benchmark without rewards.

        Those of ``geneval`` are ``soft``, the share of the conditions that hold, and ``strict``, the verdict with exact
        numbers.
        """
        if not isinstance(self._benchmark, Rewarding):
            return [{} for _ in scores]
        items = [self._item(prompt) for prompt in prompts]
        return [self._benchmark.rewards(item, score) for item, score in zip(items, scores, strict=True)]

    def item(self, name: str) -> Item:
        """The benchmark's item with this id, for a prompt that stands for several.

        Raises:
            ConfigError: There is none.
        """
        return self._named.with_id(name)

    def _item(self, prompt: str | Item) -> Item:
        if isinstance(prompt, Item):
            return prompt
        if prompt not in self._named:
            raise ConfigError(
                f"benchmark {self._benchmark.name!r} has no prompt {prompt!r}; give an Item with metadata"
            )
        return self._named.with_prompt(prompt)

    @cached_property
    def _named(self) -> NamedItems:
        return NamedItems(self._label, self.items, self._scorer.item_fields)
