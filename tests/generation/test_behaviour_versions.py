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
    "single_pass": ({}, "5898d465dd85fc6a1079ce148486b41fcdf2e2d444b17b32176300aaefb035b1"),
    "text_cot": ({}, "1c66525c0292cf1c19fb4a1586190cedf0022f9c85db46b69357d1aacd18ae7a"),
    "best_of_n": ({"n": 3}, "bca0948d65f92cc500ec14e62144e375e82cb2bb5e5e9d7bcf6527c35760c8ab"),
    "process": ({}, "47b97f104343fe9432bb0cfff81ec1cbf0fe38968b8f42928470e5a5944500e2"),
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
