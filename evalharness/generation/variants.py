"""How a model makes one image: the variants, written once over a model's verbs.

``single_pass`` draws the prompt. ``edit`` changes an item's picture as the prompt says. ``text_cot`` thinks in text,
then draws. ``best_of_n`` draws the prompt n times and lets the model choose. ``process`` is the loop of "Think in
Strokes, Not Pixels" (arXiv 2604.04746): Plan → Sketch → Inspect → Refine, until the model says that it is done or the
cap is reached.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, TypeVar

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.prompt_images import show
from evalharness.api.format import Format, OwnLoop, Stage
from evalharness.api.model import Context, Drawn, Editor, Interleaver, Written
from evalharness.api.registry import load
from evalharness.errors import ConfigError, did_you_mean
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Cost, Step, StepKind, Trajectory, remembered

Result = TypeVar("Result")


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def key(self) -> dict[str, Any]:
        """The settings that decide a trajectory's bytes: all but the iteration cap, which only cuts it short."""
        return self.model_dump(mode="json", exclude={"max_iterations"})


class SinglePass(_Settings):
    """Draw the prompt."""

    variant: Literal["single_pass"] = "single_pass"


class Edit(_Settings):
    """Change the picture of an item as its prompt says."""

    variant: Literal["edit"] = "edit"


class TextCot(_Settings):
    """Think in text, then draw. ``format``: the model's own by default."""

    variant: Literal["text_cot"] = "text_cot"
    format: str | None = None


class Process(_Settings):
    """Plan, sketch, inspect and refine until the model is done or the cap is reached.

    Without ``inspect`` nothing is inspected, and every sketch is refined by a correction that the model writes
    unprompted by a conflict. Without ``refine`` a conflict is named but not mended. Without both a sketch stays as it
    is.
    """

    variant: Literal["process"] = "process"
    format: str | None = None
    max_iterations: int = Field(default=6, ge=1, le=64)
    inspect: bool = True
    refine: bool = True


class BestOfN(_Settings):
    """Draw ``n`` images of the prompt, inspect each, and take the first in which the model finds nothing wrong.

    It goes by its own words alone, without a scorer. Where it finds fault with all, or none, it takes the first one,
    which is the image of ``single_pass``.
    """

    variant: Literal["best_of_n"] = "best_of_n"
    format: str | None = None
    n: int = Field(default=4, ge=1, le=64)


VariantSettings = Annotated[SinglePass | Edit | TextCot | Process | BestOfN, Field(discriminator="variant")]


def run(
    variant: VariantSettings,
    model: Any,
    prompts: Sequence[str],
    seeds: Sequence[int],
    pictures: Sequence[PromptImage | None] = (),
) -> list[Trajectory]:
    """One trajectory a prompt; ``pictures`` are what ``edit`` changes.

    Raises:
        ConfigError: the model lacks a verb that the variant needs.
        SampleError: a picture cannot be read.
    """
    prepare = getattr(model, "prepare", None)
    if prepare is not None:  # before anything is timed: to load a model is no part of what an image takes
        prepare()
    if isinstance(variant, SinglePass):
        return _at_once(prompts, seeds, lambda: model.paint(prompts, seeds))
    if isinstance(variant, Edit):
        require_editor(model)
        shown = [show(picture) for picture in pictures if picture is not None]
        return _at_once(prompts, seeds, lambda: model.edit(shown, prompts, seeds))
    spoken = speech(variant, model)
    samples = [_Sample(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
    if isinstance(variant, TextCot):
        _text_cot(model, spoken, samples)
    elif isinstance(variant, BestOfN):
        _best_of_n(model, spoken, samples, variant.n)
    else:
        _process(model, spoken, samples, variant)
    return [Trajectory(tuple(sample.steps), sample.finished) for sample in samples]


def require_editor(model: Any) -> None:
    """ConfigError if the model cannot change images."""
    if not isinstance(model, Editor):
        raise ConfigError(f"variant 'edit' needs a model that changes images; {model.name!r} does not")


def speech(variant: TextCot | Process | BestOfN, model: Any) -> Format:
    """The format that a variant is spoken in; ConfigError if the model or the format lacks what the variant needs."""
    if not isinstance(model, Interleaver):
        raise ConfigError(f"variant {variant.variant!r} needs a model that reads and writes; {model.name!r} only draws")
    name = variant.format or model.formats[0]
    if name not in model.formats:
        raise ConfigError(f"model {model.name!r} does not speak {name!r}{did_you_mean(name, model.formats)}")
    spoken: Format = load("formats", name)(model.words)
    if isinstance(variant, TextCot) and spoken.think is None:
        raise ConfigError(f"format {name!r} has no chain of thought; use another format or variant")
    if isinstance(variant, BestOfN) and spoken.inspect is None:
        raise ConfigError(f"format {name!r} has no stage 'inspect', by which to choose; use another format or variant")
    if isinstance(variant, Process):
        _require(spoken, variant)
    return spoken


def noise_seed(seed: int, iteration: int, kind: StepKind) -> int:
    """The seed of a step. The first drawing has the sample's own, so that all variants share its noise."""
    if iteration <= 1 and kind in ("draw", "sketch"):
        return seed
    digest = hashlib.sha256(f"{seed}/{iteration}/{kind}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass
class _Sample:
    prompt: str
    seed: int
    steps: list[Step] = field(default_factory=list)
    finished: bool = False
    state: Image.Image | None = None
    seen: bool = False
    """Whether the present state was looked at."""

    def wrote(self, kind: StepKind, iteration: int, written: Written, seconds: float) -> None:
        self.steps.append(Step(kind, iteration, written.text, cost=Cost(0, written.tokens, seconds)))

    def drew(self, kind: StepKind, iteration: int, drawn: Drawn, seconds: float) -> None:
        cost = Cost(drawn.evaluations, 0, seconds)
        seed = noise_seed(self.seed, iteration, kind)
        self.steps.append(Step(kind, iteration, image=_png(drawn.image), seed=seed, cost=cost))
        self.state, self.seen = drawn.image, False


def _at_once(prompts: Sequence[str], seeds: Sequence[int], work: Callable[[], list[Drawn]]) -> list[Trajectory]:
    """One step, which draws."""
    samples = [_Sample(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
    drawn, seconds = _timed(len(samples), work)
    for sample, image in zip(samples, drawn, strict=True):
        sample.drew("draw", 0, image, seconds)
    return [Trajectory(tuple(sample.steps)) for sample in samples]


def _text_cot(model: Interleaver, spoken: Format, samples: list[_Sample]) -> None:
    assert spoken.think is not None
    contexts = _begin(model, spoken, samples)
    _write(model, spoken.think, samples, contexts, "think", 0)
    _draw(model, samples, contexts, "draw", 0)
    for sample in samples:
        sample.finished = True


def _best_of_n(model: Interleaver, spoken: Format, samples: list[_Sample], count: int) -> None:
    """Candidates are drawn as ``single_pass`` draws them, from a seed each, and looked at one by one, each anew."""
    assert spoken.inspect is not None
    stage, prompts = spoken.inspect, [sample.prompt for sample in samples]
    candidates: list[list[Step]] = [[] for _ in samples]
    passed: list[list[bool]] = [[] for _ in samples]
    for number in range(1, count + 1):
        seeds = [noise_seed(sample.seed, number, "draw") for sample in samples]
        drawn, seconds = _timed(len(samples), lambda seeds=seeds: model.paint(prompts, seeds))  # type: ignore[misc]
        for sample, image in zip(samples, drawn, strict=True):
            sample.drew("draw", number, image, seconds)
        contexts = _begin(model, spoken, samples)
        _look(model, samples, contexts)
        texts = _write(model, stage, samples, contexts, "inspect", number, stage.open)
        for index, (sample, text) in enumerate(zip(samples, texts, strict=True)):
            said = f"{stage.open} {text}".strip()
            sample.steps[-1] = replace(sample.steps[-1], text=said)
            candidates[index].append(sample.steps[-2])
            passed[index].append(not spoken.conflict(said))
    for sample, own, good in zip(samples, candidates, passed, strict=True):
        chosen = good.index(True) if any(good) else 0
        found = "nothing wrong with it" if any(good) else "fault with every one"
        text = f"drawing {chosen + 1} of {count}: the model finds {found}"
        sample.steps.append(Step("choose", count, text, own[chosen].image, own[chosen].seed))
        sample.finished = True


def _process(model: Interleaver, spoken: Format, samples: list[_Sample], settings: Process) -> None:
    if isinstance(spoken, OwnLoop):
        spoken.process(
            model,
            _Steps(model),
            samples,
            iterations=settings.max_iterations,
            inspect=settings.inspect,
            refine=settings.refine,
        )
        return
    blank = model.blank()
    for sample in samples:
        sample.state = blank
    active, contexts = samples, _begin(model, spoken, samples)
    for iteration in range(1, settings.max_iterations + 1):
        if iteration > 1 and not model.continues:
            contexts = _begin(model, spoken, active)
            if getattr(model, "remembers", False):
                model.read(contexts, [remembered(sample.steps) for sample in active])
        _iterate(model, spoken, active, contexts, iteration, settings)
        active, contexts = _keep([not sample.finished for sample in active], active, contexts)
        if not active:
            return


def _begin(model: Interleaver, spoken: Format, samples: list[_Sample]) -> list[Context]:
    contexts = model.start(len(samples))
    if spoken.system:
        model.read(contexts, [spoken.system] * len(samples))
    model.read(contexts, [spoken.prompt(sample.prompt) for sample in samples])
    return contexts


def _require(spoken: Format, settings: Process) -> None:
    if spoken.plan is None:
        raise ConfigError(f"format {spoken.name!r} has no process; set `format:` to one that has, such as strokes")
    for stage, wanted in (("inspect", settings.inspect), ("refine", settings.refine)):
        if wanted and getattr(spoken, stage) is None:
            raise ConfigError(f"format {spoken.name!r} has no stage {stage!r}; set `{stage}: false`")


def _iterate(
    model: Interleaver,
    spoken: Format,
    active: list[_Sample],
    contexts: list[Context],
    iteration: int,
    settings: Process,
) -> None:
    """One round of plan, sketch, inspect, refine for the samples that are still at work."""
    assert spoken.plan is not None
    inspect = spoken.inspect if settings.inspect else None
    refine = spoken.refine if settings.refine else None
    _look(model, active, contexts, again=not model.continues)
    plans = _write(model, spoken.plan, active, contexts, "plan", iteration)
    for sample, plan in zip(active, plans, strict=True):
        # The first iteration always draws: a sample without an image could not be scored.
        sample.finished = iteration > 1 and spoken.done(plan)
    active, contexts = _keep([not sample.finished for sample in active], active, contexts)
    if not active:
        return
    _draw(model, active, contexts, "sketch", iteration)
    if inspect is None and refine is None:
        return
    _look(model, active, contexts)
    if inspect is not None:
        inspections = _write(model, inspect, active, contexts, "inspect", iteration)
        active, contexts = _keep([spoken.conflict(text) for text in inspections], active, contexts)
    if refine is not None and active:
        _refine(model, refine, active, contexts, iteration, opening="" if inspect is not None else refine.open)


def _refine(
    model: Interleaver,
    stage: Stage,
    samples: list[_Sample],
    contexts: list[Context],
    iteration: int,
    *,
    opening: str,
) -> None:
    """A correction in words, then the state drawn again: one step with both."""
    _write(model, stage, samples, contexts, "refine", iteration, opening)
    _draw(model, samples, contexts, "refine", iteration)
    for sample in samples:
        words, picture = sample.steps[-2:]
        text = f"{opening} {words.text}" if opening else words.text
        sample.steps[-2:] = [Step("refine", iteration, text, picture.image, picture.seed, words.cost + picture.cost)]


def _keep(
    wanted: Sequence[bool], samples: list[_Sample], contexts: list[Context]
) -> tuple[list[_Sample], list[Context]]:
    kept = [i for i, want in enumerate(wanted) if want]
    return [samples[i] for i in kept], [contexts[i] for i in kept]


def _look(model: Interleaver, samples: Sequence[_Sample], contexts: Sequence[Context], *, again: bool = True) -> None:
    """Look at the present states; before the first sketch a model may have none. ``again``: also at those seen."""
    pairs = [(context, sample) for context, sample in zip(contexts, samples, strict=True) if again or not sample.seen]
    states = [(context, sample.state) for context, sample in pairs if sample.state is not None]
    if states:
        model.look([context for context, _ in states], [state for _, state in states])
    for _, sample in pairs:
        sample.seen = True


def _write(
    model: Interleaver,
    stage: Stage,
    samples: list[_Sample],
    contexts: list[Context],
    kind: StepKind,
    iteration: int,
    opening: str = "",
    turn: int = 0,
) -> list[str]:
    seeds = [(noise_seed(sample.seed, iteration, kind) + turn) % 2**63 for sample in samples]

    def writing() -> list[Written]:
        limit = stage.max_tokens
        return model.write(contexts, stop=stage.stop, max_tokens=limit, seeds=seeds, opening=opening, ask=stage.ask)

    written, seconds = _timed(len(samples), writing)
    for sample, text in zip(samples, written, strict=True):
        sample.wrote(kind, iteration, text, seconds)
    return [text.text for text in written]


def _draw(model: Interleaver, samples: list[_Sample], contexts: list[Context], kind: StepKind, iteration: int) -> None:
    seeds = [noise_seed(sample.seed, iteration, kind) for sample in samples]

    def drawing() -> list[Drawn]:
        unguided = model.start(len(samples)) if model.guided else []
        if unguided:
            _look(model, samples, unguided)
        return model.draw(contexts, unguided=unguided, seeds=seeds)

    drawn, seconds = _timed(len(samples), drawing)
    for sample, image in zip(samples, drawn, strict=True):
        sample.drew(kind, iteration, image, seconds)


@dataclass(frozen=True)
class _Steps:
    """The steps of a format with a loop of its own (``evalharness.api.format.Steps``)."""

    model: Interleaver

    def write(
        self,
        stage: Stage,
        samples: Sequence[_Sample],
        contexts: Sequence[Context],
        kind: StepKind,
        iteration: int,
        turn: int = 0,
    ) -> list[str]:
        return _write(self.model, stage, [*samples], [*contexts], kind, iteration, turn=turn)

    def draw(self, samples: Sequence[_Sample], contexts: Sequence[Context], kind: StepKind, iteration: int) -> None:
        _draw(self.model, [*samples], [*contexts], kind, iteration)

    def fold(self, samples: Sequence[_Sample], kind: StepKind, iteration: int) -> None:
        for sample in samples:
            parts = [step for step in sample.steps if (step.kind, step.iteration) == (kind, iteration)]
            text = "\n".join(step.text for step in parts if step.text)
            first, *others = parts
            cost = sum((step.cost for step in others), first.cost)
            last = parts[-1]
            sample.steps = [step for step in sample.steps if step not in parts]
            sample.steps.append(Step(kind, iteration, text, last.image, last.seed, cost))


def _timed(count: int, work: Callable[[], Result]) -> tuple[Result, float]:
    """What the work returns and its seconds, shared evenly by the samples of the batch."""
    start = time.perf_counter()
    result = work()
    return result, (time.perf_counter() - start) / max(1, count)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
