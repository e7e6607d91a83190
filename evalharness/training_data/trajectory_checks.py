"""Finds what is wrong with a trajectory. Each rule is a name and a function; none needs a model.

``schema``        the row has the fields of a trajectory with the right types, and its images are images
``order``         iterations count from 1; each has a plan, a sketch, then rounds of inspect and refine; nothing follows
                  the end
``tokens``        markers are balanced, and each stage has its own markers and no others
``image-count``   each drawing has one picture and a text stage has none; an iteration that does not end has a sketch
``instruction``   it asks for something that the state, as described so far, lacks; the description then has it
``description``   nothing that was described is lost, unless a refinement or the instruction removed it
``critique``      what an inspection found is refined, and nothing else is

If descriptions are in the project's English ("a red cup and two dogs"), instruction and description are compared
thing by thing. Other texts are compared by their words: an instruction must contain a word that the description so far
lacks (or a number, or "another"), and a description must keep the words of the previous one.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from evalharness.generation.formats.strokes import inner
from evalharness.training_data.growth import DescribedState
from evalharness.training_data.reading import Unreadable
from evalharness.types.trajectory import STEP_KINDS

RULES = ("schema", "order", "tokens", "image-count", "instruction", "description", "critique")
KINDS: tuple[str, ...] = STEP_KINDS
STAGES = {"plan": 0, "sketch": 1, "inspect": 2, "refine": 3}
"""Stage of the process → its position in an iteration."""
DRAWINGS = ("draw", "sketch", "refine")
SHAPES = {
    "think": re.compile(r"<think>[^<>]*</think>"),
    "plan": re.compile(r"<ins>[^<>]*</ins>\s*<des>[^<>]*</des>"),
    "inspect": re.compile(r"<inspect>[^<>]*</inspect>"),
    "refine": re.compile(r"<refine>[^<>]*</refine>"),
}
"""The shape of each stage's text in the format ``strokes``."""
END = "<end>"
_MARKER = re.compile(r"<(/?)([a-zA-Z_|][\w|-]*)>")


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule and how it is broken, in one line."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class CheckedStep:
    """A step with a correct schema. ``image`` says whether it has one; ``label`` names the step in messages."""

    kind: str
    iteration: int
    text: str
    image: bool
    label: str


def violations(row: Any, *, format_name: str = "strokes") -> Iterator[Violation]:
    """Find everything that is wrong with a row; one with a broken schema is not checked any further.

    Args:
        row: A row as :mod:`evalharness.training_data.reading` yields it.
        format_name: The format whose markers are checked; ``none`` checks only that markers are balanced.
    """
    broken = list(_check_schema(row))
    yield from broken
    if broken:
        return
    steps = [
        CheckedStep(
            step["kind"], step["iteration"], step.get("text") or "", step.get("image") is not None,
            f"step {number} ({step['kind']})",
        )
        for number, step in enumerate(row["steps"], 1)
    ]  # fmt: skip
    yield from _check_order(steps, finished=bool(row.get("finished", True)))
    yield from _check_tokens(steps, format_name)
    yield from _check_image_count(steps)
    if format_name == "strokes":
        variant = row.get("variant") or {}
        yield from _check_critique(steps, inspects=variant.get("inspect", True), refines=variant.get("refine", True))
        yield from _check_growth(steps)


# --- schema ---


def _check_schema(row: Any) -> Iterator[Violation]:
    if not isinstance(row, dict):
        yield Violation("schema", f"it is {type(row).__name__}, not an object")
        return
    if not isinstance(row.get("prompt"), str) or not row["prompt"].strip():
        yield Violation("schema", "it has no prompt")
    if not isinstance(row.get("finished", True), bool | int):
        yield Violation("schema", "finished is neither true nor false")
    if not isinstance(row.get("variant") or {}, dict):
        yield Violation("schema", "variant is no object with the settings of a variant")
    steps = row.get("steps")
    if not isinstance(steps, list) or not steps:
        yield Violation("schema", "it has no steps")
        return
    for number, step in enumerate(steps, 1):
        yield from (Violation("schema", f"step {number}: {message}") for message in _check_step(step))


def _check_step(step: Any) -> Iterator[str]:
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
    elif image is not None and (problem := _png_problem(image)):
        yield f"its image is no PNG: {problem}"


def _png_problem(data: Any) -> str:
    """Why these are not the bytes of a PNG file; empty if they are."""
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


def _check_order(steps: list[CheckedStep], *, finished: bool) -> Iterator[Violation]:
    if all(step.iteration == 0 for step in steps):
        kinds = [step.kind for step in steps]
        if kinds not in (["draw"], ["think", "draw"]):
            message = "outside iterations there is a drawing, or a thought and a drawing, not " + ", ".join(kinds)
            yield Violation("order", message)
        return
    yield from _check_iterations(steps)
    ended = END in steps[-1].text
    marked = any("<ins>" in step.text for step in steps)
    if finished and steps[-1].kind in STAGES and not ended and marked:
        yield Violation("order", f"it is said to be finished, but does not close with {END}")
    if not finished and ended:
        yield Violation("order", f"it closes with {END}, but is said not to be finished")


def _check_iterations(steps: list[CheckedStep]) -> Iterator[Violation]:
    expected = 1
    previous: CheckedStep | None = None
    for step in steps:
        if step.kind not in STAGES:
            yield Violation("order", f"{step.label}: not a stage of the process")
            continue
        same_iteration = previous is not None and step.iteration == previous.iteration
        if previous is not None and same_iteration and not _may_follow(step.kind, previous.kind):
            message = f"{step.label}: comes after {previous.kind} in iteration {step.iteration}"
            yield Violation("order", message)
        if not same_iteration:
            if step.iteration != expected:
                yield Violation("order", f"{step.label}: iteration {step.iteration} where {expected} was due")
            if step.kind != "plan":
                message = f"{step.label}: iteration {step.iteration} does not begin with a plan"
                yield Violation("order", message)
            expected = step.iteration + 1
        if previous is not None and END in previous.text:
            yield Violation("order", f"{step.label}: comes after {END}")
        previous = step


def _may_follow(kind: str, previous: str) -> bool:
    """Whether a stage may follow another one in an iteration: after a refinement, another round may begin."""
    if previous == "refine":
        return kind in ("inspect", "refine")
    return STAGES[kind] > STAGES[previous]


# --- tokens ---


def _check_tokens(steps: list[CheckedStep], format_name: str) -> Iterator[Violation]:
    for step in steps:
        for message in _check_balance(step.text):
            yield Violation("tokens", f"{step.label}: {message}")
        if format_name == "strokes" and (problem := _shape_problem(step)):
            yield Violation("tokens", f"{step.label}: {problem}")


def _check_balance(text: str) -> Iterator[str]:
    opened: list[str] = []
    for slash, name in _MARKER.findall(text):
        if not slash:
            if f"<{name}>" != END:
                opened.append(name)
        elif opened and opened[-1] == name:
            opened.pop()
        elif name in opened:
            yield f"</{name}> closes before </{opened[-1]}>"
            opened.remove(name)
        else:
            yield f"</{name}> closes nothing"
    yield from (f"<{name}> is never closed" for name in opened)


def _shape_problem(step: CheckedStep) -> str:
    """Why a step's text is not that of its stage; empty if it is."""
    shape, text = SHAPES.get(step.kind), step.text.strip()
    if shape is None:
        return f"a drawing has text: {text[:40]!r}" if text else ""
    if shape.fullmatch(text) or (step.kind == "plan" and text == END):
        return ""
    expected = f"<ins> … </ins> <des> … </des> or {END}" if step.kind == "plan" else f"<{step.kind}> … </{step.kind}>"
    return f"not {expected}, but {text[:60]!r}"


# --- images ---


def _check_image_count(steps: list[CheckedStep]) -> Iterator[Violation]:
    for step in steps:
        if step.kind in DRAWINGS and not step.image:
            yield Violation("image-count", f"{step.label}: has no picture")
        if step.kind not in DRAWINGS and step.image:
            yield Violation("image-count", f"{step.label}: has a picture, and is a stage of text")
    for iteration, members in _iterations(steps):
        plans = [step for step in members if step.kind == "plan"]
        ended = any(END in plan.text for plan in plans)
        sketched = any(step.kind == "sketch" for step in members)
        if plans and not ended and not sketched:
            yield Violation("image-count", f"iteration {iteration}: has a plan, but no sketch")


def _iterations(steps: list[CheckedStep]) -> Iterator[tuple[int, list[CheckedStep]]]:
    """Each iteration with its steps."""
    for iteration in sorted({step.iteration for step in steps if step.iteration}):
        yield iteration, [step for step in steps if step.iteration == iteration]


# --- critique ---


def _check_critique(steps: list[CheckedStep], *, inspects: bool, refines: bool) -> Iterator[Violation]:
    for iteration, members in _iterations(steps):
        for inspection, refined in _rounds(members):
            if message := _critique_problem(inspection, refined=refined, refines=refines):
                yield Violation("critique", f"iteration {iteration}: {message}")
            if inspection is None and refined and inspects:
                yield Violation("critique", f"iteration {iteration}: refined without an inspection")


def _rounds(members: list[CheckedStep]) -> Iterator[tuple[str | None, bool]]:
    """Each round of an iteration: what its inspection says, if it has one, and whether it refines."""
    inspection: str | None = None
    for step in members:
        if step.kind == "inspect":
            if inspection is not None:
                yield inspection, False
            inspection = inner(step.text, "inspect").lower()
        elif step.kind == "refine":
            yield inspection, True
            inspection = None
    if inspection is not None:
        yield inspection, False


def _critique_problem(inspection: str | None, *, refined: bool, refines: bool) -> str:
    """How an inspection and its refinement do not fit together; empty if they do."""
    if inspection is None:
        return ""
    if inspection == "":
        return "an inspection that says nothing"
    if inspection == "ok":
        return "refined, though the inspection found nothing" if refined else ""
    return "the inspection found something that is not refined" if refines and not refined else ""


# --- instruction and description ---


def _check_growth(steps: list[CheckedStep]) -> Iterator[Violation]:
    state = DescribedState()
    for step in steps:
        if step.kind == "plan" and END not in step.text:
            instruction, description = inner(step.text, "ins"), inner(step.text, "des")
            if instruction and description:
                for rule, message in state.plan(instruction, description):
                    yield Violation(rule, f"iteration {step.iteration}: {message}")
        elif step.kind == "refine":
            state.refine(inner(step.text, "refine"))
