from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evalharness.api.benchmark import RuleBased
from evalharness.api.detector import Detection, Detector
from evalharness.benchmarks.geneval import prompts
from evalharness.benchmarks.geneval.benchmark import GenEval
from evalharness.benchmarks.geneval.classes import COLORS
from evalharness.benchmarks.geneval.detection_scoring import score_detections
from evalharness.benchmarks.geneval.scorer import GenEvalScorer
from evalharness.benchmarks.geneval.scoring_rules import Rules
from evalharness.errors import ConfigError
from evalharness.types.item import Item

PROMPTS = prompts.generate()
DOG = {"class": "dog", "box": [0, 0, 10, 10], "score": 0.8, "color": "red"}
RED_DOG = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}], "prompt": "a photo of a red dog"}


def evidence(*detections: dict[str, Any], metadata: dict[str, Any] = RED_DOG) -> dict[str, Any]:
    return {"metadata": metadata, "detections": list(detections)}


class Listed(Detector):
    """Stands for a detector: it finds what it was told."""

    def __init__(self, found: list[Detection]) -> None:
        self.found = found

    def identity(self) -> dict[str, Any]:
        return {}

    def classes(self) -> frozenset[str]:
        return frozenset(clause["class"] for prompt in PROMPTS for clause in prompt["include"])

    def detect(self, images: list[Image.Image], min_score: float = 0.0) -> list[list[Detection]]:
        return [[one for one in self.found if one.score > min_score] for _ in images]


class ByPlace:
    """Stands for a CLIP: an object's colour follows from where it is."""

    def identity(self) -> dict[str, Any]:
        return {}

    def classify(self, objects: list[tuple[Image.Image, Detection]]) -> list[str]:
        return [COLORS[int(detection.box[0]) % len(COLORS)] for _, detection in objects]


def score(found: list[Detection], metadata: dict[str, Any], rules: Rules) -> Any:
    scorer = GenEvalScorer("1", Listed(found), ByPlace(), rules, 1)  # type: ignore[arg-type]
    (made,) = scorer.score([Image.new("RGB", (8, 8))], [Item("0", metadata["prompt"], metadata["tag"], metadata)])
    return made


def test_the_class_offers_rules() -> None:
    assert issubclass(GenEval, RuleBased)
    assert all(field.description for field in GenEval.rules.model_fields.values())


@settings(max_examples=200)
@given(
    st.sampled_from(PROMPTS),
    st.integers(0, 2**32),
    st.builds(
        Rules,
        threshold=st.floats(0.06, 1),
        counting_threshold=st.floats(0.06, 1),
        max_overlap=st.sampled_from([0.3, 1.0]),
        position_threshold=st.floats(0, 0.5),
    ),
)
def test_details_tell_what_other_thresholds_would_have_said(metadata: dict[str, Any], seed: int, other: Rules) -> None:
    rng = random.Random(seed)
    classes = [clause["class"] for clause in metadata["include"]]
    found = []
    for _ in range(rng.randrange(12)):
        x, y = rng.randrange(100), rng.randrange(100)
        box = (x, y, x + rng.randrange(1, 60), y + rng.randrange(1, 60))
        found.append(Detection(rng.choice(classes), box, rng.random()))
    published = score(found, metadata, Rules())
    details = list(published.details["detections"])
    rng.shuffle(details)
    again = score_detections({"metadata": metadata, "detections": details}, other, "here")
    direct = score(found, metadata, other)
    assert (again.value, again.reason) == (direct.value, direct.reason)


def test_a_color_is_needed_only_where_the_rules_ask() -> None:
    faint = DOG | {"score": 0.1, "color": None}
    assert score_detections(evidence(DOG, faint), Rules(), "here").value == 1
    with pytest.raises(ConfigError, match=r"here: the rules ask for the color of the dog with score 0\.1, which has"):
        score_detections(evidence(faint), Rules(threshold=0.05), "here")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "is not a JSON object, got list"),
        ({"detections": []}, "key 'metadata' is missing"),
        (evidence(DOG, metadata=RED_DOG | {"tag": "colours"}), "metadata: tag: "),
        (evidence(DOG | {"class": "dgo"}), "detections.0.class: unknown class 'dgo'; did you mean 'dog'"),
        (evidence(DOG, DOG | {"color": "cyan"}), "detections.1.color: unknown color 'cyan'"),
        (evidence(DOG | {"box": [0, 0, 1]}), "detections.0.box: list should have at least 4"),
        (evidence(DOG | {"box": [0, 0, 1, float("nan")]}), "detections.0.box.3: "),
        (evidence(DOG | {"box": [0, 0, 1, 1e300]}), "detections.0.box.3: "),
        (evidence(DOG | {"score": float("inf")}), "detections.0.score: "),
        (evidence(DOG | {"score": "0.5"}), "detections.0.score: "),
        (evidence(DOG | {"score": True}), "detections.0.score: "),
    ],
)
def test_malformed_evidence(wrong: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^here:? {message}"):
        score_detections(wrong, Rules(), "here")
