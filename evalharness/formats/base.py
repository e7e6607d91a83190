"""How a checkpoint speaks the process: its markers, when it is done, what it reads back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol


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
