"""The loops make the trajectories of their version: what they ask, in which order, from which seeds."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from evalharness._util.hashing import digest
from evalharness.generation import variants
from evalharness.testing import MockModel
from evalharness.types.trajectory import Step

MODEL = {"iterations": 3, "conflicts": 2, "iterations_of": {"short": 1}}
TRAJECTORIES = {
    "single_pass": ({}, "2a24722b8e47955459391394f50f9f8017b277aa2f9b47b33454f4b1b9c3810d"),
    "text_cot": ({}, "5248d5d6977a4ecd17bdc1fc3226b0791f278c92cda8441d26d2ec4f22ec7528"),
    "best_of_n": ({"n": 3}, "150b997af23acded7a160cbbc8ec675dc3b462014f7339a3de35b4ecc152d4ec"),
    "process": ({}, "166c9ba2072c5f75600e9f203d294c1fb6b2c195841b9b708fc78fac80c2b71e"),
}
"""Variant → its settings, and the digest of what it made in the present versions."""


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_trajectories_change_only_with_a_version(name: str) -> None:
    """Where they are meant to change, raise the variant's ``behaviour_version`` or ``LOOP_VERSION`` with the digest."""
    settings, expected = TRAJECTORIES[name]
    variant = variants.from_json({"variant": name, **settings})
    model = MockModel(MockModel.Settings.model_validate(MODEL))
    trajectories = variants.run(variant, model, ["a cat", "a short dog"], [1, 2**62])
    versions = [variants.LOOP_VERSION, variant.behaviour_version]
    made = [[_plain(step) for step in trajectory.steps] + [trajectory.finished] for trajectory in trajectories]
    assert [versions, digest(made)] == [[1, 1], expected]


def _plain(step: Step) -> list[Any]:
    image = None if step.image is None else Image.open(io.BytesIO(step.image)).tobytes().hex()
    return [step.kind, step.iteration, step.text, image, step.seed, step.cost.evaluations, step.cost.tokens]
