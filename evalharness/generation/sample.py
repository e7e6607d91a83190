"""A trajectory in the making: the steps so far, and those that are stored already and only have to be taken over."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from PIL import Image

from evalharness._util.image_files import decode_png
from evalharness.api.model import Drawn, Written
from evalharness.errors import SampleError
from evalharness.types.trajectory import Cost, PartialTrajectory, Step, StepKind, Trajectory


def noise_seed(seed: int, iteration: int, kind: StepKind, repetition: int = 1) -> int:
    """The seed of a step. The first drawing has the sample's own, so that all variants share its noise.

    Args:
        seed: The sample's own.
        iteration: Of the step.
        kind: Of the step.
        repetition: Counts the steps of this kind in the iteration, from 1.
    """
    if iteration <= 1 and kind in ("draw", "sketch"):
        return seed
    path = f"{seed}/{iteration}/{kind}" if repetition == 1 else f"{seed}/{iteration}/{kind}/{repetition}"
    digest = hashlib.sha256(path.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass
class Sample:
    """A trajectory in the making.

    Attributes:
        prompt: The item's prompt.
        seed: The sample's own seed.
        steps: The steps so far.
        finished: Whether the model said that it is done.
        state: The newest drawing.
        seen: Whether the model has looked at it.
        stored: Steps that come next and were made before: they are taken over, not made again.
        begun: How many steps were made before.
        complete: How many iterations are complete.
        open: Whether the last steps may still be merged into one, see :meth:`fold`.
    """

    prompt: str
    seed: int
    steps: list[Step] = field(default_factory=list)
    finished: bool = False
    state: Image.Image | None = None
    seen: bool = False
    stored: deque[Step] = field(default_factory=deque)
    begun: int = 0
    complete: int = 0
    open: bool = False
    _texts_taken: int = 0
    """How many of the last steps are only texts of the next stored one."""

    @property
    def iteration(self) -> int:
        """The iteration of the last step; 0 without one."""
        return self.steps[-1].iteration if self.steps else 0

    @property
    def newest_seed(self) -> int | None:
        """The seed of the newest drawing; ``None`` without one."""
        return next((step.seed for step in reversed(self.steps) if step.image is not None), None)

    def continue_from(self, steps: Iterable[Step]) -> None:
        """Begin with steps that are stored."""
        self.stored = deque(steps)
        self.begun = len(self.stored)

    def next_stored(self, kind: StepKind, iteration: int) -> Step:
        """The stored step that is due.

        Raises:
            SampleError: It is another one than the variant would make.
        """
        step = self.stored[0]
        if (step.kind, step.iteration) != (kind, iteration):
            raise SampleError(
                f"the stored trajectory cannot be continued: it has {step.kind!r} of iteration {step.iteration} where "
                f"{kind!r} of iteration {iteration} is due"
            )
        return step

    def take_over_text(self, kind: StepKind, iteration: int, opening: str) -> str:
        """Record the text of the next stored step, and return it without the opening words.

        A step that draws as well stays next until :meth:`take_over_image`, one of several texts until :meth:`fold`.

        Raises:
            SampleError: The step is another one, or has no more texts.
        """
        step = self.next_stored(kind, iteration)
        text = step.text.removeprefix(f"{opening} ") if opening else step.text
        if step.image is None and not step.texts:
            self._append_stored()
            return text
        texts = step.texts or (text,)
        if self._texts_taken == len(texts):
            raise SampleError(
                f"the stored trajectory cannot be continued: {kind!r} of iteration {iteration} has {len(texts)} texts"
            )
        self.steps.append(Step(kind, iteration, texts[self._texts_taken]))
        self._texts_taken += 1
        return self.steps[-1].text

    def take_over_image(self, kind: StepKind, iteration: int) -> None:
        """Record the next stored step, which draws; its text, if it has one, was taken over before.

        Raises:
            SampleError: It has no readable image.
        """
        step = self.next_stored(kind, iteration)
        if step.image is None:
            raise SampleError(f"the stored trajectory cannot be continued: {kind!r} of iteration {iteration} drew none")
        self._take_over_whole()

    def take_over_before(self, iteration: int) -> None:
        """Record all stored steps of the iterations before this one."""
        while self.stored and self.stored[0].iteration < iteration:
            self._append_stored()
        self.complete = iteration - 1

    def _take_over_whole(self) -> None:
        """Record the next stored step in place of its texts."""
        del self.steps[len(self.steps) - self._texts_taken :]
        self._texts_taken = 0
        self._append_stored()

    def _append_stored(self) -> None:
        step = self.stored.popleft()
        self.steps.append(step)
        if step.image is not None:
            self.state, self.seen = decode_png(step.image, "a stored image"), False

    def add_text(self, kind: StepKind, iteration: int, written: Written, seconds: float) -> None:
        """Record a text that the model wrote."""
        cost = Cost(0, written.tokens, seconds, written.dollars).of_part(written.part)
        self.steps.append(Step(kind, iteration, written.text, cost=cost, cut=not written.ended))

    def add_image(self, kind: StepKind, iteration: int, drawn: Drawn, seconds: float, repetition: int = 1) -> None:
        """Record a drawing, which is the new state."""
        cost = Cost(drawn.evaluations, drawn.tokens, seconds, drawn.dollars).of_part(drawn.part)
        seed = noise_seed(self.seed, iteration, kind, repetition)
        self.steps.append(Step(kind, iteration, drawn.revised_prompt, png_bytes(drawn.image), seed, cost))
        # A model looks at what is stored, also where the trajectory is not continued but drawn in one piece.
        self.state, self.seen = drawn.image if drawn.image.mode == "RGB" else drawn.image.convert("RGB"), False

    def fold(self, kind: StepKind, iteration: int) -> None:
        """Merge the last steps, which are of this kind and iteration, into one."""
        if self._texts_taken:
            self._take_over_whole()
            return
        start = self._last_run(kind, iteration)
        parts = self.steps[start:]
        if len(parts) < 2:
            return
        texts = tuple(step.text for step in parts if step.image is None)
        merged = Step(
            kind,
            iteration,
            "\n".join(filter(None, texts)),
            parts[-1].image,
            parts[-1].seed,
            sum((step.cost for step in parts[1:]), parts[0].cost),
            texts=texts if len(texts) > 1 else (),
            cut=any(step.cut for step in parts),
        )
        self.steps[start:] = [merged]

    def _last_run(self, kind: StepKind, iteration: int) -> int:
        """The place of the first of the last steps that are of this kind and iteration."""
        start = len(self.steps)
        while start and (self.steps[start - 1].kind, self.steps[start - 1].iteration) == (kind, iteration):
            start -= 1
        return start

    @property
    def made(self) -> int:
        """How many steps are as they will stay."""
        return self._last_run(self.steps[-1].kind, self.iteration) if self.open and self.steps else len(self.steps)

    def partial(self) -> PartialTrajectory:
        """What was made so far."""
        return PartialTrajectory(self.trajectory().steps[: self.made], self.complete, self.finished)

    def trajectory(self) -> Trajectory:
        """The recorded trajectory. The first step that follows stored ones says so."""
        steps = list(self.steps)
        if 0 < self.begun < len(steps):
            steps[self.begun] = replace(steps[self.begun], continued=True)
        return Trajectory(tuple(steps), self.finished)


def png_bytes(image: Image.Image) -> bytes:
    """The image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
