"""The trajectory of a sample: steps with their text, image and cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from evalharness.types.origin import Origin, Stretch

StepKind = str
"""What a step did. A variant may have kinds of its own beside :data:`STEP_KINDS`."""
STEP_KINDS = ("think", "draw", "plan", "sketch", "inspect", "refine", "choose")
"""The kinds of steps that the bundled variants make."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a step.

    Attributes:
        evaluations: Sampler steps (function evaluations); a guidance pass is not counted apart.
        tokens: Tokens written.
        seconds: The sample's share of its batch's time; for an endpoint, the time until the answer came.
        dollars: What an endpoint charged.
        parts: The share of each part of a model that is made of several, by the name of the part; empty for others.
    """

    evaluations: int = 0
    tokens: int = 0
    seconds: float = 0.0
    dollars: float = 0.0
    parts: Mapping[str, Cost] = field(default_factory=dict, hash=False)

    def __add__(self, other: Cost) -> Cost:
        names = dict.fromkeys((*self.parts, *other.parts))
        return Cost(
            self.evaluations + other.evaluations,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
            self.dollars + other.dollars,
            {name: self.parts.get(name, Cost()) + other.parts.get(name, Cost()) for name in names},
        )

    def of_part(self, name: str) -> Cost:
        """The same cost, all of which is one part's; an empty name is that of a model without parts."""
        return replace(self, parts={name: self}) if name else self

    def as_dict(self) -> dict[str, Any]:
        """The cost as JSON; ``parts`` is left out if there are none."""
        values: dict[str, Any] = {name: getattr(self, name) for name in ("evaluations", "tokens", "seconds", "dollars")}
        return values | ({"parts": {name: cost.as_dict() for name, cost in self.parts.items()}} if self.parts else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cost:
        """The inverse of :meth:`as_dict`."""
        return cls(**{**data, "parts": {name: cls.from_dict(cost) for name, cost in data.get("parts", {}).items()}})


@dataclass(frozen=True, slots=True)
class Step:
    """One text or image of a trajectory, or both.

    Attributes:
        kind: What the step did.
        iteration: Counts from 1; 0 for the only step of a single pass.
        text: What the model wrote.
        image: Bytes of a PNG file. The store keeps its SHA-256 instead.
        seed: Seed of the image's noise; ``None`` without an image, and where no seed was used.
        cost: Cost of this step alone.
        continued: Whether the steps before were stored, and the context of this one was rebuilt from them.
        texts: The texts that were merged into this one, if there are several; a continuation reads them one by one.
        cut: Whether a text ended at its limit of tokens.
        transparent: Whether the image came with transparent pixels, which ``image`` has without their transparency.
    """

    kind: StepKind
    iteration: int = 0
    text: str = ""
    image: bytes | None = None
    seed: int | None = None
    cost: Cost = field(default_factory=Cost)
    continued: bool = False
    texts: tuple[str, ...] = ()
    cut: bool = False
    transparent: bool = False


@dataclass(frozen=True, slots=True)
class Trajectory:
    """All steps of one sample.

    Attributes:
        steps: The steps in their order.
        finished: The model said that it was done, and was not stopped by the cap.
        origin: When and where its last steps were made, set by the harness; ``None`` if that is not known.
        earlier: The stretches before these steps, if it was begun in another environment.
    """

    steps: tuple[Step, ...]
    finished: bool = True
    origin: Origin | None = field(default=None, compare=False)
    earlier: tuple[Stretch, ...] = field(default=(), compare=False)

    @property
    def iterations(self) -> int:
        """The number of the last iteration that has a step."""
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
        earlier = tuple(stretch for stretch in self.earlier if stretch.end < len(steps))
        origin = self.origin if len(earlier) == len(self.earlier) else self.earlier[len(earlier)].origin
        return Trajectory(steps, self.finished and len(steps) == len(self.steps), origin, earlier)


@dataclass(frozen=True, slots=True)
class PartialTrajectory:
    """The steps so far of a trajectory that is being made.

    Attributes:
        steps: All of them.
        iterations: How many iterations are complete; later steps are of the next one.
        finished: Whether the model said that it was done.
        origin: When and where its last steps were made, set by the harness.
    """

    steps: tuple[Step, ...]
    iterations: int
    finished: bool = False
    origin: Origin | None = field(default=None, compare=False)


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
    """The last plan and its correction, for a model that begins each iteration in a fresh context."""
    last = max((step.iteration for step in steps), default=0)
    return " ".join(step.text for step in steps if step.iteration == last and step.kind in ("plan", "refine"))
