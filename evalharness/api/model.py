"""What a model must offer: verbs. The harness owns the loops over them (``evalharness.generation``).

A model inherits from one of four classes, by what it can do:

- :class:`ImageModel` draws from a prompt; with :class:`ImageEditor` it also changes images;
- :class:`Interleaver`, or :class:`Branching`, also reads, writes and looks, in one context;
- :class:`ImageSource` has its images already;
- :class:`RemoteImageModel` is an endpoint that draws many at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from PIL import Image

from evalharness.api.plugin import Plugin
from evalharness.errors import SampleError
from evalharness.types.item import Item
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Step

Context = Any
"""One sample's growing sequence of texts and images; only the model knows what is inside."""


@dataclass(frozen=True, slots=True)
class Written:
    """A text that a model wrote.

    Attributes:
        text: The text, with the stop marker if it came to one.
        tokens: The number of tokens it took.
        ended: Whether it ended by itself, as far as the model can tell, and not at its length limit.
    """

    text: str
    tokens: int
    ended: bool = True


@dataclass(frozen=True, slots=True)
class Drawn:
    """An image that a model drew, and the sampler steps (function evaluations) that it took."""

    image: Image.Image
    evaluations: int


class Model(Plugin, ABC):
    """What all kinds of models share."""

    device_count: int | None = None
    """How many GPUs an image keeps busy; ``None`` if the model runs elsewhere, or nobody knows."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides the outcome: name, weights digest, dtype, sampler settings; JSON, without paths or devices."""

    def check(self, prompt: str) -> None:
        """Check a prompt before it is drawn.

        Raises:
            SampleError: The model cannot take this prompt.
        """

    def estimate(self, variant: Any) -> float | None:
        """Seconds that a trajectory takes at most, for plans that nobody has measured; ``None`` if unknown.

        Args:
            variant: A :class:`~evalharness.api.variant.Variant`.
        """
        return None

    def prepare(self) -> None:
        """Load what drawing needs. Called before each batch, so that loading is not counted as an image's time."""

    def reachable(self) -> None:
        """Check that the endpoint behind it answers, if there is one.

        Raises:
            EvalHarnessError: It does not; the message says what to do.
        """


class ImageModel(Model):
    """A model that draws from a prompt: the one verb that ``single_pass`` needs."""

    batch_size: int

    @abstractmethod
    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One image for each prompt; it depends on its own prompt and seed alone, not on its neighbours."""


class ImageEditor(ImageModel):
    """A model that changes an image: the one verb that ``edit`` needs."""

    @abstractmethod
    def edit(self, images: Sequence[Image.Image], instructions: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Each image changed by its instruction; it depends on these and its seed alone."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that holds a sample's image.

    Attributes:
        name: Relative to the model's folder; of a file that cannot be read, what was looked for.
        digest: SHA-256; empty if the file cannot be read.
    """

    name: str
    digest: str


class ImageSource(Model):
    """A model whose images exist already: they are found by item and number and fetched, never drawn.

    A file's digest is part of the key of its trajectory, so that a changed image is fetched and scored again. The
    identity says nothing about the files' content.
    """

    batch_size: int

    @abstractmethod
    def locate(self, item: Item, seed_index: int) -> SourceFile:
        """The file of an item's image with this number, from 0."""

    @abstractmethod
    def fetch(self, sources: Sequence[SourceFile]) -> list[bytes]:
        """The images as PNG files, upright.

        Raises:
            SampleError: One is missing, unreadable or not what was located.
        """

    def survey(self, wanted: Sequence[tuple[Item, int]], known: Sequence[tuple[Item, int]]) -> list[str]:
        """Warnings about the files that a reader of the scores must know, a line each; only headers are read.

        Args:
            wanted: Items and numbers of this run.
            known: Items and numbers of a run on all items.
        """
        return []


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request to an endpoint; ``seed`` decides the noise, if the endpoint takes one."""

    prompt: str
    seed: int


class RemoteImageModel(Model):
    """A model behind an address. Images are requested many at a time; some requests are refused.

    The identity holds everything in a request but prompt and seed, without keys or addresses.
    """

    concurrency: int = 1
    """How many images it draws at a time."""

    @abstractmethod
    def generate(self, requests: Iterable[tuple[int, ImageRequest]]) -> Iterator[tuple[int, Step | SampleError]]:
        """Draw images.

        Args:
            requests: Numbered requests, taken from the iterable only as there is room for them.

        Yields:
            Each request's number with the drawing, a PNG file, and its cost, in any order; a SampleError for an image
            that could not be had after the endpoint's own retries.

        Raises:
            BudgetError: The budget is spent. Everything that was requested has been yielded; the rest was not.
            EndpointError: The same, where no other request would fare better.
        """

    def recall(self, spent: Spent) -> None:
        """Count what was spent on it before this run towards its budget."""


class Interleaver(ImageModel):
    """A unified model: reads and writes text, looks at and draws images, all in one context."""

    formats: ClassVar[tuple[str, ...]]
    """The formats that this model's checkpoints speak, the default first."""
    guided: bool
    """Whether ``draw`` needs ``unguided`` contexts; a model whose contexts keep their own does not."""
    continues: bool
    """Whether a process is one growing context. If not, each iteration starts a new one with the prompt and the
    present state."""
    remembers: bool = False
    """Whether an iteration that starts a new context also reads the last plan and its correction."""
    words: Mapping[str, str] = MappingProxyType({})
    """Words for the format to use in place of its own, by their names."""

    @abstractmethod
    def start(self, count: int) -> list[Context]:
        """``count`` empty contexts."""

    def blank(self) -> Image.Image | None:
        """The canvas that a process starts with, or ``None`` if the first sketch is drawn from words alone."""
        return None

    @abstractmethod
    def read(self, contexts: Sequence[Context], texts: Sequence[str]) -> None:
        """Append a text to each context."""

    @abstractmethod
    def look(self, contexts: Sequence[Context], images: Sequence[Image.Image]) -> None:
        """Append an image to each context."""

    @abstractmethod
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
        """Write after each context; what was written becomes part of the context.

        Args:
            contexts: One for each sample.
            stop: Markers that end the text.
            max_tokens: Length limit.
            seeds: One for each context.
            opening: Words that the text is made to begin with; not part of what is returned.
            ask: A text to read first, which asks for this one.
        """

    @abstractmethod
    def draw(self, contexts: Sequence[Context], *, unguided: Sequence[Context], seeds: Sequence[int]) -> list[Drawn]:
        """Draw an image after each context. It is not kept in the context: ``look`` at it to keep it.

        Args:
            contexts: One for each sample.
            unguided: The contexts without the newest text, for classifier-free guidance; empty unless ``guided``.
            seeds: One for each context.
        """


class Branching(Interleaver):
    """What formats with a loop of their own need besides: contexts that fork, and finer ways to add to them."""

    @abstractmethod
    def fork(self, contexts: Sequence[Context]) -> list[Context]:
        """Copies that grow independently from here."""

    @abstractmethod
    def glance(self, contexts: Sequence[Context], images: Sequence[Image.Image]) -> None:
        """Append an image for understanding only, not to draw from it."""

    @abstractmethod
    def append(self, contexts: Sequence[Context], texts: Sequence[str]) -> None:
        """Append a text that belongs to what was read before: guidance does not lead to it alone."""
