"""What a pipeline of diffusers can do: whether it draws from text or edits, by the signature of its ``__call__``."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from evalharness.errors import ConfigError, did_you_mean

MASKS = ("mask_image", "mask")
"""Parameters of a pipeline that changes a part of an image, and needs to be told which."""
CONTROLS = ("control", "adapter_")
"""What parameters begin with whose pipeline takes an image as a map of edges or depths, not as one to change."""
VIDEO = "num_frames"


def parameters_of(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a pipeline's call, without ``self``."""
    parameters = dict(inspect.signature(type(pipeline).__call__).parameters)
    parameters.pop("self", None)
    return parameters


def edits(pipeline: Any) -> bool:
    """Whether the pipeline makes an image of an image and a text: image-to-image, or edits by instruction."""
    parameters = parameters_of(pipeline)
    others = (name for name, parameter in parameters.items() if _required(parameter))
    return (
        {"image", "prompt"} <= parameters.keys()
        and not any(name in parameters for name in (*MASKS, VIDEO))
        and not _controlled(parameters)
        and all(name in ("image", "prompt") for name in others)
    )


def draws_from_text(pipeline: Any) -> bool:
    """Whether the pipeline makes an image of a text alone.

    Whether it can do without an image that it takes is not in its signature: most that need one have a default for it.
    So of these only those count that diffusers itself loads for text-to-image.
    """
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    parameters = parameters_of(pipeline)
    if "prompt" not in parameters or VIDEO in parameters:
        return False
    if "image" not in parameters:
        return True
    known: Iterable[type] = AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()
    return not _controlled(parameters) and any(isinstance(pipeline, drawing) for drawing in known)


def check_arguments(pipeline: Any, arguments: Iterable[str]) -> None:
    """Check that the pipeline makes images, and accepts arguments of these names.

    Raises:
        ConfigError: it does not.
    """
    name, parameters = type(pipeline).__name__, parameters_of(pipeline)
    if not (edits(pipeline) or draws_from_text(pipeline)):
        raise ConfigError(f"{name} neither draws from text alone nor edits an image by a text")
    for key in arguments:
        if key not in parameters:
            raise ConfigError(f"{name} takes no argument {key!r}{did_you_mean(key, parameters)}")


def require_drawing(pipeline: Any) -> None:
    """Raise ConfigError unless the pipeline draws from text alone."""
    if not draws_from_text(pipeline):
        raise ConfigError(
            f"{type(pipeline).__name__} is an editing pipeline and draws nothing without an image: use it for the "
            "variant 'edit' or as an editor, and a text-to-image pipeline here"
        )


def require_editing(pipeline: Any) -> None:
    """Raise ConfigError unless the pipeline edits."""
    if not edits(pipeline):
        raise ConfigError(
            f"{type(pipeline).__name__} does not edit: it takes no image with a prompt; use an editing or "
            "image-to-image pipeline here"
        )


def _required(parameter: inspect.Parameter) -> bool:
    named = parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return named and parameter.default is inspect.Parameter.empty


def _controlled(parameters: Iterable[str]) -> bool:
    return any(name.startswith(CONTROLS) for name in parameters)
