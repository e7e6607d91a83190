"""The interface of formats: the markers and stages in which a checkpoint writes the process, and how it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from PIL import Image

from evalharness.api.plugin import Plugin


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of text.

    Attributes:
        open: The marker that opens it.
        stop: Markers that end it.
        max_tokens: Length limit.
        ask: A text that the model reads first, which asks for this stage.
    """

    open: str
    stop: Sequence[str]
    max_tokens: int
    ask: str = ""


class Format(Plugin, ABC):
    """A stateless class. It is constructed with the words of the model that speaks it, not with settings.

    In each iteration the model has read ``system`` and the prompt and looked at the present state.

    The words are part of the keys of trajectories. What the methods do is not: raise ``behaviour_version`` when one of
    them changes.

    Attributes:
        system: Read before everything else, unless empty.
        think: The chain of thought; ``None`` in a format without one.
        plan: ``None`` in a format without a process.
        inspect: ``None`` in a format without inspections.
        refine: ``None`` in a format without corrections.
    """

    system: str = ""
    think: Stage | None = None
    reads_twice: ClassVar[bool] = False
    """Whether the prompt is read a second time to think, in a copy of the context. The context that is drawn from has
    it once, and then the thought."""
    plan: Stage | None = None
    inspect: Stage | None = None
    refine: Stage | None = None

    def __init__(self, words: Mapping[str, str]) -> None:
        """Start with the model's texts by name; they replace the format's own."""

    def prompt(self, text: str) -> str:
        """A prompt as the model reads it."""
        return text

    def rewritten(self, thought: str) -> str:
        """The part of a thought that can stand in place of the prompt: what follows the reasoning, if there is any.

        >>> class Plain(Format): ...
        >>> Plain({}).rewritten("<think> A cat, so </think> a tabby cat"), Plain({}).rewritten("<think> a cat </think>")
        ('a tabby cat', 'a cat')
        """
        reasoning, _, answer = thought.partition("</think>")
        return answer.strip() or reasoning.removeprefix("<think>").strip()

    def done(self, plan: str) -> bool:
        """Whether a plan says that the picture is finished."""
        return False

    def conflict(self, inspection: str) -> bool:
        """Whether an inspection found something to correct."""
        return False


class Sample(Protocol):
    """A sample as a format with its own loop sees it."""

    prompt: str
    finished: bool

    @property
    def state(self) -> Image.Image | None:
        """The newest drawing."""
        ...


class Steps(Protocol):
    """The steps of a format with its own loop; each is recorded with its cost."""

    def write(
        self,
        stage: Stage,
        samples: Sequence[Any],
        contexts: Sequence[Any],
        kind: Literal["plan", "inspect", "refine"],
        iteration: int,
        turn: int = 0,
    ) -> list[str]:
        """Write after each context. ``turn`` distinguishes the texts of a step: each has a seed of its own."""
        ...

    def draw(
        self, samples: Sequence[Any], contexts: Sequence[Any], kind: Literal["sketch", "refine"], iteration: int
    ) -> None:
        """Draw after each context; the drawing is the sample's new state."""
        ...

    def fold(self, samples: Sequence[Any], kind: Literal["inspect", "refine"], iteration: int) -> None:
        """Merge the last steps, which are of this kind and iteration, into one: the texts, and one image at the end."""
        ...


class OwnLoop(Format):
    """A format whose process is not plan, sketch, inspect, refine. It needs a :class:`Branching` model.

    A trajectory is continued by running the loop again with stored steps: what ``write`` and ``draw`` would make is
    then taken from these, and the other verbs of the model rebuild the contexts.
    """

    replays: ClassVar[bool] = False
    """Whether all that the loop does follows from prompts, texts and images, so that stored trajectories are continued.
    If not, a longer one is drawn from its beginning, and no step is stored before a trajectory is complete."""

    @abstractmethod
    def process(
        self, model: Any, steps: Steps, samples: Sequence[Any], *, iterations: int, inspect: bool, refine: bool
    ) -> None:
        """Run all samples to their end, or to the cap.

        Args:
            model: A :class:`~evalharness.api.model.Branching` model.
            steps: Records what is written and drawn.
            samples: Each a :class:`Sample`.
            iterations: The cap.
            inspect: Whether to inspect; only if the format has that stage.
            refine: Whether to correct; only if the format has that stage.
        """
