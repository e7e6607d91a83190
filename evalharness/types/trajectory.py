"""What a model did for one sample: steps with their text, image and cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

StepKind = str
"""What a step did. A variant may have kinds of its own beside :data:`STEP_KINDS`."""
STEP_KINDS = ("think", "draw", "plan", "sketch", "inspect", "refine", "choose")
"""The kinds of steps that the bundled variants make."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step took. ``evaluations``: sampler steps (function evaluations, guidance passes not counted apart).

    ``seconds`` are a sample's share of its batch, or those that it was waited for where it was made elsewhere.
    """

    evaluations: int = 0
    tokens: int = 0
    seconds: float = 0.0
    dollars: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.evaluations + other.evaluations,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
            self.dollars + other.dollars,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a trajectory.

    ``iteration`` counts from 1; the only step of a single pass has iteration 0. ``image`` is a PNG file's bytes, in the
    store its SHA-256 stands for it. ``seed`` is that of the noise that ``image`` grew from, ``None`` without an image
    and for one that was not drawn but fetched, or by a service that was told no seed.
    """

    kind: StepKind
    iteration: int = 0
    text: str = ""
    image: bytes | None = None
    seed: int | None = None
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """All steps of one sample. ``finished`` is true when the model itself said that it was done, not the cap."""

    steps: tuple[Step, ...]
    finished: bool = True

    @property
    def iterations(self) -> int:
        """The number of iterations in which something was done."""
        return max((step.iteration for step in self.steps), default=0)

    @property
    def cost(self) -> Cost:
        return sum((step.cost for step in self.steps), Cost())

    @property
    def image(self) -> bytes | None:
        """The final image: that of the last step that drew one."""
        return next((step.image for step in reversed(self.steps) if step.image is not None), None)

    def prefix(self, cap: int | None) -> Trajectory:
        """Return the trajectory of a run capped at ``cap`` iterations."""
        steps = prefix(self.steps, cap)
        return Trajectory(steps, self.finished and len(steps) == len(self.steps))


class _Iterated(Protocol):
    @property
    def iteration(self) -> int: ...


AnyStep = TypeVar("AnyStep", bound=_Iterated)


def within_cap(iteration: int, cap: int | None) -> bool:
    """Whether a step of this iteration belongs to a run capped at ``cap`` iterations; ``None`` is no cap.

    The loop never looks ahead at its cap, so that a capped run is the beginning of a longer one.
    """
    return cap is None or iteration <= cap


def prefix(steps: Iterable[AnyStep], cap: int | None) -> tuple[AnyStep, ...]:
    """Return the steps of a run capped at ``cap`` iterations, given those of a longer run."""
    return tuple(step for step in steps if within_cap(step.iteration, cap))


def remembered(steps: Sequence[Step]) -> str:
    """The last plan and what corrected it: all that a model needs which forgets the rest (see ``Interleaver``)."""
    last = max((step.iteration for step in steps), default=0)
    return " ".join(step.text for step in steps if step.iteration == last and step.kind in ("plan", "refine"))
