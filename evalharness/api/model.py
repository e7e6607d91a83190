"""What a model must offer: verbs. The harness owns the loops over them (``evalharness.generation.variants``).

A plugin is a class with a nested pydantic ``Settings`` and an ``__init__(self, settings)`` that is cheap: no weights
are read into memory and torch is not imported before the first verb is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from PIL import Image

from evalharness.errors import SampleError
from evalharness.types.item import Item
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Step

Context = Any
"""One sample's growing sequence of texts and images; only the model knows what is inside."""


@dataclass(frozen=True, slots=True)
class Written:
    """Text that a model wrote, the stop marker included if it came to one, and the number of tokens it took.

    ``ended``: it came to an end by itself, where a model tells.
    """

    text: str
    tokens: int
    ended: bool = True


@dataclass(frozen=True, slots=True)
class Drawn:
    """An image that a model drew and the sampler steps (function evaluations) it took."""

    image: Image.Image
    evaluations: int


@runtime_checkable
class ImageModel(Protocol):
    """A model that can draw from a prompt: the one verb that ``single_pass`` needs.

    It may have ``prepare() -> None``, which loads what it needs, once, so that this is not counted as an image's time;
    ``device_count``, the GPUs that an image keeps busy; and ``estimate(variant) -> float``, the seconds that a
    trajectory takes at most where nobody has measured any.
    """

    name: str
    batch_size: int

    def identity(self) -> Mapping[str, Any]:
        """What decides the outcome: name, weights digest, dtype, sampler settings; JSON, without paths or devices."""
        ...

    def check(self, prompt: str) -> None:
        """Raise :class:`~evalharness.errors.SampleError` if the model cannot take this prompt."""
        ...

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One image a prompt; an image depends on its own prompt and seed alone, not on its neighbours."""
        ...


@runtime_checkable
class Editor(ImageModel, Protocol):
    """A model that can change an image: the one verb that ``edit`` needs."""

    def edit(self, images: Sequence[Image.Image], instructions: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Each image as its instruction wants it; it depends on these and its seed alone."""
        ...


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that holds a sample's image: its name, relative to the model's folder, and its SHA-256.

    ``digest`` is empty if the file cannot be read; ``name`` is then what was looked for.
    """

    name: str
    digest: str


@runtime_checkable
class ImageSource(Protocol):
    """A model whose images exist already: they are found by item and number and fetched, never drawn.

    A file's digest is part of the key of its trajectory, so that a changed image is fetched and scored again.
    """

    name: str
    batch_size: int

    def identity(self) -> Mapping[str, Any]:
        """As of :class:`ImageModel`; what the files hold is no part of it."""
        ...

    def check(self, prompt: str) -> None:
        """As of :class:`ImageModel`."""
        ...

    def locate(self, item: Item, seed_index: int) -> SourceFile:
        """Which file holds an item's image of this number, from 0."""
        ...

    def fetch(self, sources: Sequence[SourceFile]) -> list[bytes]:
        """The images as PNG files, upright; SampleError if one is missing, unreadable or not what was located."""
        ...

    def survey(self, wanted: Sequence[tuple[Item, int]], known: Sequence[tuple[Item, int]]) -> list[str]:
        """What a reader of the scores must know of the files, a line each; only headers are read.

        ``wanted`` are the items and numbers of this run, ``known`` those of a run on all items.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """An image that is wanted of a service; ``seed`` decides its noise, if the service takes one."""

    prompt: str
    seed: int


@runtime_checkable
class RemoteImageModel(Protocol):
    """A model behind an address. Images are ordered, many at a time, and come when they are ready; some are refused.

    It may have ``reachable() -> None``, which raises an EvalHarnessError saying what to do if it would not answer, and
    ``concurrency``, how many it works on at a time.
    """

    name: str

    def identity(self) -> Mapping[str, Any]:
        """As of :class:`ImageModel`: all of a request but for prompt and seed, without keys or addresses."""
        ...

    def check(self, prompt: str) -> None:
        """As of :class:`ImageModel`."""
        ...

    def recall(self, spent: Spent) -> None:
        """What was spent on it before this run: that counts, too."""
        ...

    def generate(self, requests: Iterable[tuple[int, ImageRequest]]) -> Iterator[tuple[int, Step | SampleError]]:
        """Each order's number with the drawing, a PNG file, and what it cost, as they come, in any order.

        Orders are taken from the iterable only as there is room for them. SampleError stands for an image that could
        not be had, after the service's own retries: it was refused, say, or what came is no image.

        Raises:
            BudgetError: once all that was ordered has been yielded; what is left was not ordered.
            EndpointError: the same, where no other order would fare better.
        """
        ...


@runtime_checkable
class Interleaver(ImageModel, Protocol):
    """A unified model: reads and writes text, looks at and draws images, all in one context.

    If it does not continue, it may have ``remembers``: whether an iteration that begins anew also reads the last plan
    and its correction.
    """

    formats: ClassVar[tuple[str, ...]]
    """The formats that this model's checkpoints speak, the default first."""
    guided: bool
    """Whether ``draw`` needs contexts that guidance leads away from; if its own contexts know them, it does not."""
    continues: bool
    """Whether a process is one context that grows. If not, each iteration begins anew, with the prompt and the present
    state."""
    words: Mapping[str, str]
    """Words for its format to speak with, by their names, in place of the format's own."""

    def start(self, count: int) -> list[Context]:
        """``count`` empty contexts."""
        ...

    def blank(self) -> Image.Image | None:
        """The canvas that a process begins with, or ``None`` if its first sketch is drawn without looking at one."""
        ...

    def read(self, contexts: Sequence[Context], texts: Sequence[str]) -> None:
        """Append a text to each context."""
        ...

    def look(self, contexts: Sequence[Context], images: Sequence[Image.Image]) -> None:
        """Append an image to each context."""
        ...

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
        """Write after each context until one of the ``stop`` markers; what was written becomes part of the context.

        ``ask`` is a text that is read before, to ask for this one. ``opening`` are words that the text is made to begin
        with; they are not among those returned.
        """
        ...

    def draw(self, contexts: Sequence[Context], *, unguided: Sequence[Context], seeds: Sequence[int]) -> list[Drawn]:
        """Draw an image after each context. The drawing is not kept in the context: ``look`` at it to keep it.

        ``unguided`` are the contexts without the newest text, from which guidance leads away.
        """
        ...


@runtime_checkable
class Branching(Interleaver, Protocol):
    """What formats with a loop of their own need besides: contexts that part, and finer ways to add to them."""

    def fork(self, contexts: Sequence[Context]) -> list[Context]:
        """Copies that grow on their own from here."""
        ...

    def glance(self, contexts: Sequence[Context], images: Sequence[Image.Image]) -> None:
        """Append an image as it is looked at to understand it, not to draw from it."""
        ...

    def append(self, contexts: Sequence[Context], texts: Sequence[str]) -> None:
        """Append a text that belongs to what was read before it: guidance does not lead to it alone."""
        ...
