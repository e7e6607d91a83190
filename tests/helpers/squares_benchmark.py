"""A benchmark of red and blue squares, whose scorer can be given faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict

from evalharness.api.benchmark import Benchmark, HasKnownAnswers, KnownAnswer, Scorer
from evalharness.errors import EvalHarnessError
from evalharness.types.item import Item, PromptSet
from evalharness.types.score import Score

COLORS = {"red": (255, 0, 0), "blue": (0, 0, 255)}


class SquareScorer(Scorer):
    """Finds a square of the image's size; right if it is red.

    Its faults: ``shift`` moves the box, ``lower`` is taken from the object's confidence, ``blind`` finds nothing,
    ``swapped`` exchanges the colors. ``looked`` counts images.
    """

    batch_size = 3

    def __init__(self, weights: str) -> None:
        self.weights = weights
        self.shift, self.lower, self.blind, self.swapped = 0.0, 0.0, False, False
        self.looked = 0

    def identity(self) -> Mapping[str, Any]:
        if self.weights == "missing":
            raise EvalHarnessError("no weights; fetch them")
        return {"detector": {"name": "square", "weights": self.weights}}

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        assert len(images) <= self.batch_size
        self.looked += len(images)
        return [self._score(image.convert("RGB")) for image in images]

    def _score(self, image: Image.Image) -> Score:
        red = (image.getpixel((0, 0)) == COLORS["red"]) is not self.swapped
        color, size = "red" if red else "blue", float(image.width)
        box = [self.shift, 0.0, size + self.shift, size]
        square = {"class": "square", "box": box, "score": 0.8 - self.lower, "color": color, "counted": True}
        return Score(float(red), "" if red else "not red", {"detections": [] if self.blind else [square]})


class PlainSquares(Benchmark):
    """A benchmark of squares without known answers."""

    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: str = "embedded"
        known: bool = True

    name = "plain"
    version = "1"
    weights: Mapping[str, float] = {"red": 1.0}
    images_per_prompt = 1

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()
        weights = self.settings.weights
        digest = weights if weights == "missing" else weights * (64 // len(weights))
        self.square_scorer = SquareScorer(digest)

    def prompt_set(self) -> PromptSet:
        return PromptSet("original", "0" * 64)

    def items(self) -> list[Item]:
        return [Item("0", "a red square", "red", {})]

    def scorer(self) -> SquareScorer:
        return self.square_scorer


class Squares(PlainSquares, HasKnownAnswers):
    """Twelve squares; ``known``: whether their verdicts are."""

    name = "squares"

    def known_answers(self) -> list[KnownAnswer]:
        return [
            KnownAnswer(
                ("detector", "colours")[number % 2],
                Image.new("RGB", (40 + number, 40 + number), COLORS[color]),
                Item(str(number), f"a red square {number}", "red", {"number": number}),
                (color == "red") if self.settings.known else None,
            )
            for number in range(6)
            for color in COLORS
        ]
