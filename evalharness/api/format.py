"""How a checkpoint speaks the process: its markers, when it is done, what it reads back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from PIL import Image


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of text: the marker that opens it, those that end it, and the most tokens that it may take; ``ask`` is
    read before it, to ask for it.
    """

    open: str
    stop: Sequence[str]
    max_tokens: int
    ask: str = ""


class Format(Protocol):
    """One small class a format, made with the words of the model that speaks it; stateless.

    ``system`` is read before all else, if it is not empty.
    What ``prompt`` returns is read, then in each iteration the present state is looked at. ``think`` is ``None`` in a
    format without chain of thought, ``plan`` in one without a process.
    """

    name: ClassVar[str]
    system: str
    think: Stage | None
    plan: Stage | None
    inspect: Stage | None
    refine: Stage | None

    def __init__(self, words: Mapping[str, str]) -> None: ...

    def prompt(self, text: str) -> str:
        """A prompt as the model reads it."""
        ...

    def done(self, plan: str) -> bool:
        """Whether what was written in place of a plan says that the picture is finished."""
        ...

    def conflict(self, inspection: str) -> bool:
        """Whether an inspection found something to mend."""
        ...


class Sample(Protocol):
    """What a format with a loop of its own sees of a sample."""

    prompt: str
    finished: bool
    """To be set when the model is done."""

    @property
    def state(self) -> Image.Image | None:
        """The newest drawing."""
        ...


class Steps(Protocol):
    """What such a format does with its samples: each step is recorded with its cost."""

    def write(
        self,
        stage: Stage,
        samples: Sequence[Any],
        contexts: Sequence[Any],
        kind: Literal["plan", "inspect", "refine"],
        iteration: int,
        turn: int = 0,
    ) -> list[str]:
        """Write after each context. ``turn`` tells the texts of a step apart: each has a seed of its own."""
        ...

    def draw(
        self, samples: Sequence[Any], contexts: Sequence[Any], kind: Literal["sketch", "refine"], iteration: int
    ) -> None:
        """Draw after each context; the drawing is the sample's new state."""
        ...

    def fold(self, samples: Sequence[Any], kind: Literal["inspect", "refine"], iteration: int) -> None:
        """Make one step of all of this kind and iteration."""
        ...


@runtime_checkable
class OwnLoop(Protocol):
    """A format whose process is not plan, sketch, inspect, refine in one context or in fresh ones."""

    def process(
        self, model: Any, steps: Steps, samples: Sequence[Any], *, iterations: int, inspect: bool, refine: bool
    ) -> None:
        """Run all samples to their end, or to the cap. What stages there are is checked before."""
        ...
