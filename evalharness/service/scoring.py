"""The scorer of a benchmark in child processes, one a device, fed by requests."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import Any

from PIL import Image

from evalharness._util.hashing import digest
from evalharness._util.image_files import png_bytes
from evalharness._util.text import one_line
from evalharness.api.benchmark import Benchmark, JudgeScorer
from evalharness.api.named_items import NamedItems
from evalharness.api.plugin import versioned_identity
from evalharness.api.rewards import Rewarding
from evalharness.config.schema import PluginSpec
from evalharness.errors import ConfigError
from evalharness.execution.executors.child_pool import ChildPool
from evalharness.execution.executors.local import children_of
from evalharness.execution.workers import PluginWorkerSpec, ScoreJob
from evalharness.service.queue import Outcome, RequestQueue
from evalharness.types.item import Item
from evalharness.types.score import Score

JUDGED_BATCH = 64
"""Images that are handed to a judge's process together; it asks for as many at a time as its settings allow."""


class ScoringService:
    """Scores images until it is closed.

    Args:
        plugin: The benchmark, with the settings of a sweep file.
        workers: Number of child processes at most; by default one for each GPU, else one for each processor.
        room: Number of images that may wait.
    """

    def __init__(self, plugin: PluginSpec, *, workers: int | None = None, room: int = 1024) -> None:
        self.benchmark: Benchmark = plugin.build()
        scorer = self.benchmark.scorer()
        self.identity: Mapping[str, Any] = versioned_identity(scorer.identity(), self.benchmark)
        self.identity_digest = digest(self.identity)
        """The same as in the results of a sweep with these settings."""
        self.failure = ""
        """Why no more can be scored; empty as long as it can."""
        self._item_fields = scorer.item_fields
        self._judged = isinstance(scorer, JudgeScorer)
        batch_size = JUDGED_BATCH if isinstance(scorer, JudgeScorer) else scorer.batch_size
        spec = PluginWorkerSpec(plugin, planned=self.identity)
        self.queue = RequestQueue(self.benchmark.name, spec, batch_size, room)
        self._pool = _pool(1 if self._judged else workers)
        self._thread = threading.Thread(target=self._run, name="scoring", daemon=True)
        self._scored = threading.Event()

    def start(self) -> None:
        """Start to score; the first image loads the networks."""
        self._thread.start()

    @property
    def state(self) -> str:
        """``loading`` until the first batch is done, then ``ok``; ``failed`` if no more can be scored."""
        if self.failure:
            return "failed"
        return "ok" if self._scored.is_set() else "loading"

    def warm_up(self) -> Future[Outcome] | None:
        """Score a gray image for the first prompt, so that the networks are loaded; a judge is not asked."""
        if self._judged:
            self._scored.set()
            return None
        gray = png_bytes(Image.new("RGB", (64, 64), (128, 128, 128)))
        return self.submit([gray], [self.items.first()])[0]

    def submit(self, images: Sequence[bytes], items: Sequence[Item]) -> list[Future[Outcome]]:
        """Add images, as PNG files, with their items.

        Raises:
            FullError: There is no room for all of them.
            ClosedError: No more are taken.
        """
        jobs = [
            ScoreJob(uuid.uuid4().hex, hashlib.sha256(image).hexdigest(), image, item.only(self._item_fields))
            for image, item in zip(images, items, strict=True)
        ]
        return self.queue.submit(jobs)

    @cached_property
    def items(self) -> NamedItems:
        """The benchmark's items by their prompts and ids."""
        return NamedItems(self.benchmark.name, self.benchmark.items(), self._item_fields)

    def item(self, prompt: str | None, metadata: Any, place: str, name: str | None = None) -> Item:
        """The item that a request names, by its prompt or with metadata.

        Args:
            prompt: The prompt, which may be left out if something else tells the item.
            metadata: What a benchmark with rewards has to know of a prompt that it does not have.
            place: Where the request has it, for messages.
            name: The id of the item.

        Raises:
            ConfigError: There is no such item, or more than one; the message begins with ``place``.
        """
        if metadata is not None:
            return self._of_metadata(metadata, place, name)
        if prompt is None and name is None:
            raise ConfigError(f"{place} has neither prompt, item nor metadata")
        try:
            return self._known(prompt, name)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from None

    @property
    def takes_metadata(self) -> bool:
        """Whether the benchmark scores prompts that it does not have, by their metadata."""
        return isinstance(self.benchmark, Rewarding)

    def _of_metadata(self, metadata: Any, place: str, name: str | None) -> Item:
        """The item of a prompt that the benchmark need not have."""
        if not isinstance(self.benchmark, Rewarding):
            raise ConfigError(f"{place}: {self.benchmark.name} takes no metadata; name its item by prompt or item")
        if name is not None:
            raise ConfigError(f"{place} has both item and metadata; give one of them")
        return self.benchmark.item_of(metadata, place)

    def _known(self, prompt: str | None, name: str | None) -> Item:
        """One of the benchmark's own items."""
        if name is not None:
            item = self.items.with_id(name)
            if prompt is not None and prompt != item.prompt:
                raise ConfigError(f"item {one_line(name, 200)!r} has another prompt: {one_line(item.prompt, 200)!r}")
            return item
        if prompt is None or prompt not in self.items:
            hint = "; give its metadata, too" if self.takes_metadata else ""
            raise ConfigError(f"{self.benchmark.name} has no prompt {one_line(prompt or '', 200)!r}{hint}")
        return self.items.with_prompt(prompt)

    @property
    def reward_names(self) -> Sequence[str]:
        """Names of the rewards besides the score."""
        return self.benchmark.reward_names if isinstance(self.benchmark, Rewarding) else ()

    def rewards(self, item: Item, score: Score) -> Mapping[str, float]:
        """Other rewards than the score, by name."""
        return self.benchmark.rewards(item, score) if isinstance(self.benchmark, Rewarding) else {}

    def close(self) -> None:
        """Score what is here, then end the processes."""
        self.queue.close("the service is stopping")
        if self._thread.is_alive():
            self._thread.join()
        self._pool.stop()

    def _run(self) -> None:
        try:
            for _, jobs, outcomes in self._pool.run([self.queue]):
                self._scored.set()
                self.queue.settle(jobs, outcomes)
        except Exception as error:  # noqa: BLE001 - whatever ends the workers must be told to those who wait
            self.failure = one_line(f"no more can be scored: {error}")
            self.queue.close(self.failure, drop=True)


def _pool(workers: int | None) -> ChildPool:
    size, threads, devices = children_of(workers)
    return ChildPool(size, threads, devices, min_work=0.0 if devices else None)
