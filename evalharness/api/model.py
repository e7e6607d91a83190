"""The interface of models, which are sets of verbs. The harness owns the loops over them (``evalharness.generation``).

A model inherits from the class that fits what it can do:

- :class:`ImageModel` draws from a prompt; with :class:`ImageEditor` it also changes images;
- :class:`Interleaver`, or :class:`Branching`, also reads, writes and looks, in one context;
- :class:`ImageSource` provides existing images;
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
from evalharness.types.trajectory import Step, StepKind

Context = Any
"""One sample's growing sequence of texts and images; only the model knows what is inside."""


@dataclass(frozen=True, slots=True)
class Written:
    """A text that a model wrote.

    Attributes:
        text: The text, with the stop marker if it came to one.
        tokens: The number of tokens it took.
        ended: Whether it ended by itself, as far as the model can tell, and not at its length limit.
        dollars: What an endpoint charged for it.
        part: The part of the model that wrote it; empty unless the model is made of several.
    """

    text: str
    tokens: int
    ended: bool = True
    dollars: float = 0.0
    part: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """An image that a model drew.

    Attributes:
        image: The image.
        evaluations: The sampler steps (function evaluations) that it took.
        tokens: The tokens that it took, if an endpoint counts them.
        dollars: What an endpoint charged for it.
        part: The part of the model that drew it; empty unless the model is made of several.
        revised_prompt: The prompt as an endpoint rewrote it.
    """

    image: Image.Image
    evaluations: int
    tokens: int = 0
    dollars: float = 0.0
    part: str = ""
    revised_prompt: str = ""


class Model(Plugin, ABC):
    """The base class of all kinds of models."""

    device_count: int | None = None
    """Number of GPUs that drawing an image keeps busy; ``None`` if the model runs elsewhere or this is unknown."""
    address: str = ""
    """Where the endpoints behind it are, if there are any. Models of one identity at different addresses cannot be in
    one sweep, since they would share their images."""
    one_worker: bool = False
    """Whether only one worker may draw with it at a time, because it keeps a budget."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides an image: name, weights digest, dtype, sampler settings; JSON, without paths or devices."""

    def former_identities(self) -> Sequence[Mapping[str, Any]]:
        """Identities of earlier versions that stand for the same results; a run gives these the present keys."""
        return ()

    def check(self, prompt: str) -> None:
        """Check a prompt before it is drawn.

        Raises:
            SampleError: The model cannot take this prompt.
        """

    def estimate(self, variant: Any) -> float | None:
        """Seconds that a trajectory takes at most, used if no rate was measured; ``None`` if unknown.

        Args:
            variant: A :class:`~evalharness.api.variant.Variant`.
        """
        return None

    def said_in_name(self, variant: Any) -> str:
        """A word that must be in the name of an arm, because the model does something else than the variant says.

        Args:
            variant: A :class:`~evalharness.api.variant.Variant`.
        """
        return ""

    def recall_parts(self, spent: Mapping[str, Spent]) -> None:
        """Count what the parts of the model, by name, spent before this run towards their budgets."""

    def warnings(self) -> list[str]:
        """Warnings about the model's files for readers of the scores, a line each; called when a run is planned.

        Raises:
            WeightsError: A file is missing.
        """
        return []

    def prepare(self) -> None:
        """Load what drawing needs. This is called before each batch, so that loading does not count as drawing time."""

    def reachable(self) -> None:
        """Check that the endpoint behind the model answers, if there is one.

        Raises:
            EvalHarnessError: It does not; the message says what to do.
        """


class ImageModel(Model):
    """A model that draws from a prompt: the one verb that ``single_pass`` needs."""

    batch_size: int

    @abstractmethod
    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Draw an image for each prompt, which depends on that prompt and seed only."""


class ImageEditor(ImageModel):
    """A model that changes an image: the one verb that ``edit`` needs."""

    @abstractmethod
    def edit(self, images: Sequence[Image.Image], instructions: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Change each image by its instruction; the result depends on these and the seed only."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that holds a sample's image.

    Attributes:
        name: Path relative to the model's folder; for a file that cannot be read, what was looked for.
        digest: SHA-256, of the file or of the part; empty if the file cannot be read.
        part: Which image of the file it is, from 0, if that holds several.
    """

    name: str
    digest: str
    part: int = 0


class ImageSource(Model):
    """A model whose images exist already. They are found by item and number, and fetched instead of drawn.

    A file's digest is part of the key of its trajectory, so that a changed image is fetched and scored again. The
    identity says nothing about the files' content.
    """

    batch_size: int

    @abstractmethod
    def locate(self, item: Item, seed_index: int) -> SourceFile:
        """Find the file of an item's image with this number, from 0."""

    def lacks(self, item: Item, seed_index: int) -> bool:
        """Whether the item has no image with this number and is complete without it; the sample is then not planned.

        By default every image that is asked for is missing if there is none.
        """
        return False

    @abstractmethod
    def fetch(self, sources: Sequence[SourceFile]) -> list[bytes]:
        """Read images as upright PNG files.

        Raises:
            SampleError: A file is missing or unreadable, or has changed since it was located.
        """

    def survey(self, wanted: Sequence[tuple[Item, int]], known: Sequence[tuple[Item, int]]) -> list[str]:
        """Return warnings about the files for readers of the scores, a line each; few pixels are read.

        Args:
            wanted: Items and numbers of this run.
            known: Items and numbers of a run on all items.
        """
        return []


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request to an endpoint.

    Attributes:
        prompt: What to draw, or how to change the image.
        seed: Decides the noise, if the endpoint takes one.
        image: The PNG file of an image to change; ``None`` to draw from the prompt alone.
    """

    prompt: str
    seed: int
    image: bytes | None = None


class RemoteImageModel(Model):
    """A model behind an address. Images are requested many at a time; some requests are refused.

    The identity holds everything in a request but prompt and seed, without keys or addresses.
    """

    edits: ClassVar[bool] = False
    """Whether it takes requests with an image to change."""
    concurrency: int = 1
    """Number of images that it draws at a time."""

    @abstractmethod
    def generate(self, requests: Iterable[tuple[int, ImageRequest]]) -> Iterator[tuple[int, Step | SampleError]]:
        """Draw images.

        Args:
            requests: Numbered requests, taken from the iterable only when there is room for them.

        Yields:
            Each request's number with the drawing, a PNG file, and its cost, in any order; a SampleError if there is no
            image after the client's own retries.

        Raises:
            BudgetError: The budget is spent. Everything that was requested has been yielded; the rest was not.
            EndpointError: The same, if no other request would succeed either.
        """

    def require_room(self, count: int) -> None:
        """Check that the budget has room for so many calls, for a caller that can use none without the others.

        Raises:
            BudgetError: It does not.
        """

    def recall(self, spent: Spent) -> None:
        """Count what the model spent before this run towards its budget."""


class Interleaver(ImageModel):
    """A unified model: reads and writes text, looks at and draws images, all in one context."""

    formats: ClassVar[tuple[str, ...]]
    """The formats that this model's checkpoints speak, the default first."""
    guided: bool
    """Whether ``draw`` needs ``unguided`` contexts; a model whose contexts include them does not."""
    continues: bool
    """Whether a process is one growing context. If not, each iteration starts a new context with the prompt and the
    present state."""
    draws_context: bool = True
    """Whether ``draw`` sees the whole context. If not, it draws the newest text alone."""
    draws_after_images: bool = True
    """Whether ``draw`` can change what was looked at. If not, the model runs no process."""
    remembers: bool = False
    """Whether an iteration that starts a new context also reads the last plan and its correction."""
    replays: bool = False
    """Whether a context can be rebuilt from stored steps by :meth:`reread`, :meth:`note_drawn` and the other verbs, so
    that a stored trajectory is continued. If not, a longer one is drawn from its beginning."""
    words: Mapping[str, str] = MappingProxyType({})
    """Texts, by name, that replace the format's own."""

    @abstractmethod
    def start(self, count: int) -> list[Context]:
        """Create ``count`` empty contexts."""

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
        """Write after each context; the text becomes part of the context.

        Args:
            contexts: One for each sample.
            stop: Markers that end the text.
            max_tokens: Length limit.
            seeds: One for each context.
            opening: Words that the text begins with; they are not part of the result.
            ask: A text to read first, which asks for this one.
        """

    def reread(
        self,
        contexts: Sequence[Context],
        texts: Sequence[str],
        *,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> None:
        """Append texts that :meth:`write` wrote before, so that the contexts are as after writing.

        Args:
            contexts: One for each sample.
            texts: What was written after each.
            seeds: The seeds with which it was written.
            opening: As given to :meth:`write`.
            ask: As given to :meth:`write`.
        """
        if before := " ".join(filter(None, (ask, opening))):
            self.read(contexts, [before] * len(contexts))
        self.read(contexts, texts)

    def note_drawn(self, contexts: Sequence[Context], *, seeds: Sequence[int]) -> None:
        """Change contexts as :meth:`draw` with these seeds changed them; most models' contexts stay as they are."""

    @abstractmethod
    def draw(
        self, contexts: Sequence[Context], *, unguided: Sequence[Context], seeds: Sequence[int], kind: StepKind = "draw"
    ) -> list[Drawn]:
        """Draw an image after each context. It becomes part of the context only by ``look``.

        Args:
            contexts: One for each sample.
            unguided: The contexts without the newest text, for classifier-free guidance; empty unless ``guided``.
            seeds: One for each context.
            kind: The step that the drawing is for. A model may have sampler settings of its own for a sketch.
        """


class Branching(Interleaver):
    """A model for formats with their own loop: its contexts can be forked, and there are finer ways to add to them."""

    @abstractmethod
    def fork(self, contexts: Sequence[Context]) -> list[Context]:
        """Copy contexts; the copies then grow independently."""

    @abstractmethod
    def glance(self, contexts: Sequence[Context], images: Sequence[Image.Image]) -> None:
        """Append images to be understood only, not to be drawn from."""

    @abstractmethod
    def append(self, contexts: Sequence[Context], texts: Sequence[str]) -> None:
        """Append texts that belong to the preceding ones: guidance does not strengthen them alone."""
