"""Variants are plugins (``evalharness.variants``): loading them by name, and running one on a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.api.registry import available, load
from evalharness.api.variant import StepsMade, Variant
from evalharness.errors import NotFiniteError, SampleError
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Step, Trajectory

LOOP_VERSION = 1
"""Version of the loops over a model's verbs: part of the keys of what they draw, raised when it changes.

A change of one variant alone raises its ``behaviour_version`` instead.
"""


def names() -> list[str]:
    """The names of the installed variants."""
    return list(available("variants"))


def variant_class(name: str) -> type[Variant]:
    """The class of a variant's settings.

    Raises:
        PluginError: There is none of this name, or it cannot be imported.
    """
    loaded: type[Variant] = load("variants", name)
    return loaded


def from_json(settings: Mapping[str, Any]) -> Variant:
    """A variant from its ``model_dump``."""
    return variant_class(settings["variant"]).model_validate(settings)


def run(
    variant: Variant,
    model: Any,
    prompts: Sequence[str],
    seeds: Sequence[int],
    pictures: Sequence[PromptImage | None] = (),
    stored: Sequence[Sequence[Step]] = (),
    made: StepsMade | None = None,
) -> list[Trajectory]:
    """One trajectory for each prompt: see :meth:`~evalharness.api.variant.Variant.generate`.

    Args:
        stored: The first steps of each trajectory, which are not made again if variant and model can continue them.
        made: Called after each step, if variant and model can continue from there.

    Raises:
        ConfigError: The model lacks a verb that the variant needs.
        SampleError: A sample is at fault, or the model computed NaN or infinite numbers for it.
    """
    model.prepare()  # before anything is timed, so that loading does not count as drawing time
    try:
        if (made is not None or any(stored)) and variant.resumes(model):
            return variant.resume(model, prompts, seeds, stored or [()] * len(prompts), made)
        return variant.generate(model, prompts, seeds, pictures)
    except NotFiniteError as error:
        raise SampleError(str(error)) from error
