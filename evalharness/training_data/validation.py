"""What is wrong with a trajectory. Each rule is a name and a function; nothing here needs a model.

``schema``        the row has what a trajectory has, of the right types, and its images are images
``order``         iterations count from 1; in each comes plan, sketch, inspect, refine; nothing comes after the end
``tokens``        markers are balanced, and each stage has its own and no other
``image-count``   every drawing has one picture and no text stage has any; an iteration without end has a sketch
``instruction``   it asks for something that the state, as described so far, lacks; the description then has it
``description``   nothing that was described is lost, unless a refinement or the instruction took it away
``critique``      what an inspection found is refined, and nothing else is

Where descriptions are in a language of placed things ("a red cup at left and …") instruction and description are
compared thing by thing. Other texts are compared by their words: an instruction must hold a word that the description
so far lacks (or a number, or "another"), and a description must keep the words of the one before.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from PIL import Image

from evalharness.generation.formats.strokes import inner
from evalharness.training_data.growth import State
from evalharness.training_data.reading import Unreadable
from evalharness.types.trajectory import StepKind

RULES = ("schema", "order", "tokens", "image-count", "instruction", "description", "critique")
KINDS: tuple[str, ...] = get_args(StepKind)
STAGES = {"plan": 0, "sketch": 1, "inspect": 2, "refine": 3}
DRAWINGS = ("draw", "sketch", "refine")
SHAPES = {
    "think": re.compile(r"<think>[^<>]*</think>"),
    "plan": re.compile(r"<ins>[^<>]*</ins>\s*<des>[^<>]*</des>"),
    "inspect": re.compile(r"<inspect>[^<>]*</inspect>"),
    "refine": re.compile(r"<refine>[^<>]*</refine>"),
}
"""What a stage of the format ``strokes`` looks like."""
END = "<end>"
_MARKER = re.compile(r"<(/?)([a-zA-Z_|][\w|-]*)>")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule and how it is broken, in one line."""

    rule: str
    what: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step, checked. ``image``: whether it has one."""

    kind: str
    iteration: int
    text: str
    image: bool


def violations(row: Any, *, spoken: str = "strokes") -> Iterator[Violation]:
    """All that is wrong with a row. ``spoken`` is the format whose markers are checked; ``none``: only their balance.

    A row whose schema is broken is not looked at any further.
    """
    broken = list(_schema(row))
    yield from broken
    if broken:
        return
    steps = [Step(s["kind"], s["iteration"], s.get("text") or "", s.get("image") is not None) for s in row["steps"]]
    yield from _order(steps, bool(row.get("finished", True)))
    yield from _tokens(steps, spoken)
    yield from _image_count(steps)
    if spoken == "strokes":
        variant = row.get("variant") or {}
        yield from _critique(steps, inspects=variant.get("inspect", True), refines=variant.get("refine", True))
        yield from _growth(steps)


# --- schema ---


def _schema(row: Any) -> Iterator[Violation]:
    if not isinstance(row, dict):
        yield Violation("schema", f"it is {type(row).__name__}, not an object")
        return
    if not isinstance(row.get("prompt"), str) or not row["prompt"].strip():
        yield Violation("schema", "it has no prompt")
    if not isinstance(row.get("finished", True), bool | int):
        yield Violation("schema", "finished is neither true nor false")
    steps = row.get("steps")
    if not isinstance(steps, list) or not steps:
        yield Violation("schema", "it has no steps")
        return
    for number, step in enumerate(steps, 1):
        yield from (Violation("schema", f"step {number}: {what}") for what in _step(step))


def _step(step: Any) -> Iterator[str]:
    if not isinstance(step, dict):
        yield f"it is {type(step).__name__}, not an object"
        return
    if step.get("kind") not in KINDS:
        yield f"kind {step.get('kind')!r} is not one of {', '.join(KINDS)}"
    if type(step.get("iteration")) is not int or step["iteration"] < 0:
        yield f"iteration {step.get('iteration')!r} is not a number from 0"
    if not isinstance(step.get("text") or "", str):
        yield "its text is no text"
    image = step.get("image")
    if isinstance(image, Unreadable):
        yield f"its image cannot be read: {image.reason}"
    elif image is not None and (said := _not_an_image(image)):
        yield f"its image is no PNG: {said}"


def _not_an_image(data: Any) -> str:
    if not isinstance(data, bytes):
        return f"it is {type(data).__name__}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return (" ".join(str(error).split()) or type(error).__name__)[:100]
    return ""


# --- order ---


def _order(steps: list[Step], finished: bool) -> Iterator[Violation]:
    if all(step.iteration == 0 for step in steps):
        if [step.kind for step in steps] not in (["draw"], ["think", "draw"]):
            kinds = ", ".join(step.kind for step in steps)
            yield Violation("order", f"outside iterations there is a drawing, or a thought and a drawing, not {kinds}")
        return
    expected = 1
    before: Step | None = None
    for number, step in enumerate(steps, 1):
        where = f"step {number} ({step.kind})"
        if step.kind not in STAGES:
            yield Violation("order", f"{where}: not a stage of the process")
            continue
        if before is not None and step.iteration == before.iteration and STAGES[step.kind] <= STAGES[before.kind]:
            yield Violation("order", f"{where}: comes after {before.kind} in iteration {step.iteration}")
        if before is None or step.iteration != before.iteration:
            if step.iteration != expected:
                yield Violation("order", f"{where}: iteration {step.iteration} where {expected} was due")
            if step.kind != "plan":
                yield Violation("order", f"{where}: iteration {step.iteration} does not begin with a plan")
            expected = step.iteration + 1
        if before is not None and END in before.text:
            yield Violation("order", f"{where}: comes after {END}")
        before = step
    if finished and steps[-1].kind in STAGES and END not in steps[-1].text and _marked(steps):
        yield Violation("order", f"it is said to be finished, but does not close with {END}")
    if not finished and END in steps[-1].text:
        yield Violation("order", f"it closes with {END}, but is said not to be finished")


def _marked(steps: list[Step]) -> bool:
    return any("<ins>" in step.text for step in steps)


# --- tokens ---


def _tokens(steps: list[Step], spoken: str) -> Iterator[Violation]:
    for number, step in enumerate(steps, 1):
        where = f"step {number} ({step.kind})"
        yield from (Violation("tokens", f"{where}: {what}") for what in _unbalanced(step.text))
        if spoken == "strokes" and (said := _misshapen(step)):
            yield Violation("tokens", f"{where}: {said}")


def _unbalanced(text: str) -> Iterator[str]:
    opened: list[str] = []
    for close, name in _MARKER.findall(text):
        if not close and f"<{name}>" != END:
            opened.append(name)
        elif close and opened and opened[-1] == name:
            opened.pop()
        elif close:
            yield f"</{name}> closes nothing" if name not in opened else f"</{name}> closes before </{opened[-1]}>"
            if name in opened:
                opened.remove(name)
    yield from (f"<{name}> is never closed" for name in opened)


def _misshapen(step: Step) -> str:
    shape, text = SHAPES.get(step.kind), step.text.strip()
    if shape is None:
        return f"a drawing has text: {text[:40]!r}" if text else ""
    if shape.fullmatch(text) or (step.kind == "plan" and text == END):
        return ""
    return f"not {_said(step.kind)}, but {text[:60]!r}"


def _said(kind: str) -> str:
    return f"<ins> … </ins> <des> … </des> or {END}" if kind == "plan" else f"<{kind}> … </{kind}>"


# --- images ---


def _image_count(steps: list[Step]) -> Iterator[Violation]:
    for number, step in enumerate(steps, 1):
        where = f"step {number} ({step.kind})"
        if step.kind in DRAWINGS and not step.image:
            yield Violation("image-count", f"{where}: has no picture")
        if step.kind not in DRAWINGS and step.image:
            yield Violation("image-count", f"{where}: has a picture, and is a stage of text")
    for iteration in sorted({step.iteration for step in steps if step.iteration}):
        own = [step for step in steps if step.iteration == iteration]
        sketches = sum(step.kind == "sketch" for step in own)
        ended = any(step.kind == "plan" and END in step.text for step in own)
        if not ended and sketches == 0 and any(step.kind == "plan" for step in own):
            yield Violation("image-count", f"iteration {iteration}: has a plan, but no sketch")


# --- critique ---


def _critique(steps: list[Step], *, inspects: bool, refines: bool) -> Iterator[Violation]:
    for iteration in sorted({step.iteration for step in steps if step.iteration}):
        own = {step.kind: step for step in steps if step.iteration == iteration}
        inspection = inner(own["inspect"].text, "inspect").lower() if "inspect" in own else None
        refined = "refine" in own
        if inspection == "":
            yield Violation("critique", f"iteration {iteration}: an inspection that says nothing")
        elif inspection == "ok" and refined:
            yield Violation("critique", f"iteration {iteration}: refined, though the inspection found nothing")
        elif inspection not in (None, "ok") and not refined and refines:
            yield Violation("critique", f"iteration {iteration}: the inspection found something that is not refined")
        if inspection is None and refined and inspects:
            yield Violation("critique", f"iteration {iteration}: refined without an inspection")


# --- instruction and description ---


def _growth(steps: list[Step]) -> Iterator[Violation]:
    state = State()
    for step in steps:
        if step.kind == "plan" and END not in step.text:
            instruction, description = inner(step.text, "ins"), inner(step.text, "des")
            if instruction and description:
                found = state.plan(instruction, description)
                yield from (Violation(rule, f"iteration {step.iteration}: {what}") for rule, what in found)
        elif step.kind == "refine":
            state.refine(inner(step.text, "refine"))
