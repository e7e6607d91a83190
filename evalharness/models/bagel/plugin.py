"""Model plugin ``bagel``: BAGEL-7B-MoT and its fine-tuned variants, from the published folder layout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from evalharness._util.devices import pick_device
from evalharness._util.text import some_of
from evalharness.api.model import Branching, Drawn, ImageEditor, Written
from evalharness.errors import SampleError
from evalharness.models.bagel import published
from evalharness.models.bagel.settings import Settings as BagelSettings
from evalharness.types.trajectory import StepKind

if TYPE_CHECKING:
    from evalharness.models.bagel.cache import Context
    from evalharness.models.bagel.runtime import Runtime


class Bagel(Branching, ImageEditor):
    """Reads and writes text, sees and draws images, all in one context that grows over a trajectory."""

    Settings = BagelSettings

    name = "bagel"
    behaviour_version = 2
    requires = ("diffusers",)
    extra = "bagel"
    assets = published.assets("official")
    formats: ClassVar[tuple[str, ...]] = ("bagel", "strokes", "prompted", "rewrite", "unicot", "unicot-mended", "zebra")
    guided = False
    """Contexts carry their own guidance, so that the caller needs no unguided ones."""
    continues = True
    replays = True

    def __init__(self, settings: BagelSettings) -> None:
        self._settings = settings
        self.batch_size = settings.batch_size
        self.device_count = max(1, len(set(settings.devices)))
        self._loaded: Runtime | None = None

    @property
    def words(self) -> Mapping[str, str]:  # type: ignore[override]
        """The prompts for the formats.

        Raises:
            ConfigError: an upstream file lacks its prompt.
        """
        return self._settings.chosen_words()

    def identity(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "weights": self.weights_digest(),
            "words": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.words.items()},
            **self._settings.deciding(),
        }

    def weights_digest(self) -> str:
        """One SHA-256 over the files that the model is loaded from.

        Raises:
            WeightsError: a file is missing.
        """
        return self._settings.files().digest()

    def warnings(self) -> list[str]:
        from evalharness.models.bagel.loading import surplus

        names = surplus(self._settings.files())
        return [f"{len(names)} weights of the checkpoint are not used: {some_of(names, 3)}"] if names else []

    def check(self, prompt: str) -> None:
        if not prompt.strip():
            raise SampleError("the prompt is empty")

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        contexts = self.start(len(prompts))
        self.read(contexts, prompts)
        return self.draw(contexts, unguided=[], seeds=seeds)

    def edit(self, images: Sequence[Image.Image], instructions: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Edit images: the image is seen before the instruction, as published, and the drawing has its size."""
        contexts = self.start(len(images))
        for context, seed in zip(contexts, seeds, strict=True):
            context.seed = seed
        self.look(contexts, images)
        self.read(contexts, instructions)
        runtime = self.load()
        edited = runtime.draw(contexts, seeds, sizes=[runtime.seen_size(image) for image in images])
        return [Drawn(image, self._settings.steps - 1) for image in edited]

    def start(self, count: int) -> list[Context]:
        from evalharness.models.bagel.cache import Context

        self.load()
        return [Context(empty=self._settings.unconditional == "empty") for _ in range(count)]

    def read(self, contexts: Sequence[Context], texts: Sequence[str]) -> None:
        self.load().read(contexts, texts)

    def look(self, contexts: Sequence[Context], images: Sequence[Image.Image]) -> None:
        """Append images as seen by the autoencoder, then by the vision transformer."""
        self.load().look(contexts, images)

    def glance(self, contexts: Sequence[Context], images: Sequence[Image.Image]) -> None:
        """Append images as seen by the vision transformer only."""
        self.load().look(contexts, images, understand=True)

    def fork(self, contexts: Sequence[Context]) -> list[Context]:
        return self.load().fork(contexts)

    def append(self, contexts: Sequence[Context], texts: Sequence[str]) -> None:
        self.load().read(contexts, texts, newest=False)

    def write(
        self,
        contexts: Sequence[Context],
        *,
        stop: Sequence[str],
        max_tokens: int,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        limit = min(max_tokens, self._settings.max_tokens)
        return self.load().write(contexts, stop, limit, seeds, opening=opening, ask=ask)

    def draw(
        self, contexts: Sequence[Context], *, unguided: Sequence[Context], seeds: Sequence[int], kind: StepKind = "draw"
    ) -> list[Drawn]:
        images = self.load().draw(contexts, seeds)
        return [Drawn(image, self._settings.steps - 1) for image in images]

    def reread(
        self,
        contexts: Sequence[Context],
        texts: Sequence[str],
        *,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> None:
        self.load().reread(contexts, texts, seeds, opening=opening, ask=ask)

    def note_drawn(self, contexts: Sequence[Context], *, seeds: Sequence[int]) -> None:
        self.load().note_drawn(contexts, seeds)

    def prepare(self) -> None:
        self.load()

    def load(self) -> Runtime:
        """The loaded network; loads it on first use."""
        if self._loaded is None:
            from evalharness.models.bagel.runtime import Runtime

            devices = self._settings.devices or (self._settings.device,)
            self._loaded = Runtime(self._settings, [pick_device(device) for device in devices])
        return self._loaded
