"""The boundary between plugins and the store: results of plugins become plain Python values, or a clear error.

Workers and the threads that serve endpoints pass everything that a plugin returned through here. So a result is the
same in every executor, and nothing else has to know NumPy's or torch's types of numbers.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from evalharness._util.image_files import without_transparency
from evalharness.errors import NotFiniteError, SampleError
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, PartialTrajectory, Step, Trajectory

ADVICE = "its weights are damaged, or its device computes wrongly"


@contextlib.contextmanager
def scorer_faults(plugin: str) -> Iterator[None]:
    """Name the scorer in the error that its networks raise. It ends the run: the images are not at fault."""
    try:
        yield
    except NotFiniteError as error:
        if str(error).startswith(plugin):
            raise
        raise NotFiniteError(f"{plugin}: {error}; {ADVICE}") from error


def plain_score(score: Any, plugin: str, score_range: tuple[float, float] = (0.0, 1.0)) -> Score:
    """A score with plain values.

    Args:
        score: What a scorer returned.
        plugin: The scorer's name, for messages.
        score_range: The lowest and the highest value that the scorer declares.

    Raises:
        NotFiniteError: The value or a number of the details is NaN or infinite.
        SampleError: A field has a wrong type, or the value is not in the range.
    """
    _require(score, Score, plugin, "score")
    value = _float(score.value, plugin, "value")
    low, high = score_range
    if not low <= value <= high:
        raise SampleError(f"{plugin} returned {value} as value, which is not in {low:g}..{high:g}")
    if not isinstance(score.details, Mapping):
        raise _wrong_type(score.details, plugin, "details", "a mapping")
    return Score(value, _text(score.reason, plugin, "reason"), _json(score.details, plugin, "details"))


def plain_trajectory(trajectory: Any, plugin: str) -> Trajectory:
    """A trajectory with plain values.

    Args:
        trajectory: What a variant made with a model.
        plugin: The model's name, for messages.

    Raises:
        NotFiniteError: A number of a step is NaN or infinite.
        SampleError: A field has a wrong type.
    """
    _require(trajectory, Trajectory, plugin, "trajectory")
    return Trajectory(_plain_steps(trajectory.steps, plugin), _bool(trajectory.finished, plugin, "finished"))


def plain_partial(partial: Any, plugin: str) -> PartialTrajectory:
    """What was made so far of a trajectory, with plain values; see :func:`plain_trajectory`."""
    _require(partial, PartialTrajectory, plugin, "partial trajectory")
    return PartialTrajectory(
        steps=_plain_steps(partial.steps, plugin),
        iterations=_int(partial.iterations, plugin, "iterations"),
        finished=_bool(partial.finished, plugin, "finished"),
    )


def plain_reply(reply: Any, plugin: str) -> Reply:
    """A judge's reply with plain values.

    Raises:
        NotFiniteError: Its cost or its seconds are NaN or infinite.
        SampleError: A field has a wrong type.
    """
    _require(reply, Reply, plugin, "reply")
    plain: dict[str, Any] = {}
    for field in fields(Reply):
        value = getattr(reply, field.name)
        if field.type == "str":
            plain[field.name] = _text(value, plugin, field.name)
        elif field.type == "int":
            plain[field.name] = _int(value, plugin, field.name)
        else:
            plain[field.name] = _float(value, plugin, field.name)
    return Reply(**plain)


def _plain_steps(steps: Iterable[Any], plugin: str) -> tuple[Step, ...]:
    return tuple(_plain_step(step, plugin, f"steps[{number}]") for number, step in enumerate(steps))


def _plain_step(step: Any, plugin: str, name: str) -> Step:
    _require(step, Step, plugin, name)
    _require(step.cost, Cost, plugin, f"{name}.cost")
    image = step.image
    if isinstance(image, bytearray | memoryview):
        image = bytes(image)
    if image is not None and not isinstance(image, bytes):
        raise _wrong_type(image, plugin, f"{name}.image", "the bytes of a PNG file")
    transparent = False
    if image is not None:
        image, transparent = without_transparency(image)
    return Step(
        kind=_text(step.kind, plugin, f"{name}.kind"),
        iteration=_int(step.iteration, plugin, f"{name}.iteration"),
        text=_text(step.text, plugin, f"{name}.text"),
        image=image,
        seed=None if step.seed is None else _int(step.seed, plugin, f"{name}.seed"),
        cost=_plain_cost(step.cost, plugin, f"{name}.cost"),
        continued=bool(step.continued),
        texts=tuple(_text(text, plugin, f"{name}.texts") for text in step.texts),
        cut=bool(step.cut),
        transparent=bool(step.transparent) or transparent,
    )


def _plain_cost(cost: Cost, plugin: str, name: str) -> Cost:
    return Cost(
        _int(cost.evaluations, plugin, f"{name}.evaluations"),
        _int(cost.tokens, plugin, f"{name}.tokens"),
        _float(cost.seconds, plugin, f"{name}.seconds"),
        _float(cost.dollars, plugin, f"{name}.dollars"),
        {part: _plain_cost(of_part, plugin, f"{name}.{part}") for part, of_part in cost.parts.items()},
    )


# --- fields ---


def _unwrap(value: Any) -> Any:
    """The Python number of a NumPy or torch scalar, a list for an array, anything else unchanged."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    return value


def _float(value: Any, plugin: str, name: str) -> float:
    number = _unwrap(value)
    if not isinstance(number, int | float):
        raise _wrong_type(value, plugin, name, "a number")
    return _finite(float(number), plugin, name)


def _int(value: Any, plugin: str, name: str) -> int:
    number = _unwrap(value)
    if isinstance(number, float):
        number = int(number) if _finite(number, plugin, name).is_integer() else number
    if not isinstance(number, int):
        raise _wrong_type(value, plugin, name, "a whole number")
    return int(number)


def _bool(value: Any, plugin: str, name: str) -> bool:
    unwrapped = _unwrap(value)
    if not isinstance(unwrapped, bool):
        raise _wrong_type(unwrapped, plugin, name, "a bool")
    return unwrapped


def _text(value: Any, plugin: str, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(value, plugin, name, "a text")
    return str(value)


def _json(value: Any, plugin: str, name: str) -> Any:
    """A JSON value of plain types; tuples and arrays become lists, keys become texts as :mod:`json` writes them."""
    value = _unwrap(value)
    if isinstance(value, Mapping):
        return {_key(key, plugin, name): _json(inner, plugin, f"{name}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner, plugin, f"{name}[{number}]") for number, inner in enumerate(value)]
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value), plugin, name)
    raise _wrong_type(value, plugin, name, "JSON")


def _key(key: Any, plugin: str, name: str) -> str:
    key = _unwrap(key)
    if isinstance(key, str):
        return str(key)
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    raise _wrong_type(key, plugin, f"a key of {name}", "a text")


def _finite(number: float, plugin: str, name: str) -> float:
    if not math.isfinite(number):
        raise NotFiniteError(f"{plugin} returned {number} as {name}; {ADVICE}")
    return number


def _require(value: Any, kind: type[Any], plugin: str, name: str) -> None:
    if not isinstance(value, kind):
        raise _wrong_type(value, plugin, name, f"a {kind.__name__}")


def _wrong_type(value: Any, plugin: str, name: str, wanted: str) -> SampleError:
    return SampleError(f"{plugin} returned {type(value).__name__} as {name}, which must be {wanted}")
