"""What is sent to ``POST /score`` and comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evalharness.api.failure import Failure
from evalharness.service.images import ReadImage
from evalharness.service.queue import Outcome
from evalharness.types.item import Item
from evalharness.types.score import Score


class ImageEntry(BaseModel):
    """An image to score.

    Attributes:
        image: A PNG, JPEG or WebP file in base64; absent if the files are parts of a multipart request.
        prompt: One of the benchmark's prompts.
        item: The id of one of the benchmark's items, where a prompt stands for several.
        metadata: What the scorer has to know of another prompt, such as a line of GenEval's prompt file.
        id: Comes back with the result.
    """

    model_config = ConfigDict(extra="forbid")

    image: str | None = None
    prompt: str | None = None
    item: str | None = None
    metadata: dict[str, Any] | None = None
    id: str | int | None = None


class ScoreBody(BaseModel):
    """A request.

    Attributes:
        details: Whether results have the details of the score, such as the detections.
    """

    model_config = ConfigDict(extra="forbid")

    images: list[ImageEntry] = Field(min_length=1)
    details: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """An image of a request and what became of it; ``rewards`` are those besides the score."""

    item: Item
    image: ReadImage
    outcome: Outcome
    rewards: Mapping[str, float]

    @property
    def score(self) -> float | None:
        return self.outcome.value if isinstance(self.outcome, Score) else None

    @property
    def error(self) -> str:
        return self.outcome.reason if isinstance(self.outcome, Failure) else ""

    def reward(self, name: str, benchmark: str) -> float | None:
        """A reward by its name, which is the benchmark's for the score itself; ``None`` if the image failed."""
        if name == benchmark or self.score is None:
            return self.score
        return self.rewards[name]


def results(entries: Sequence[ImageEntry], scored: Sequence[Scored], *, details: bool) -> list[dict[str, Any]]:
    """A result for each image; a failure has no score, and says why."""
    return [_result(entry, image, details=details) for entry, image in zip(entries, scored, strict=True)]


def _result(entry: ImageEntry, scored: Scored, *, details: bool) -> dict[str, Any]:
    outcome = scored.outcome
    result: dict[str, Any] = {
        "id": entry.id,
        "score": scored.score,
        "rewards": dict(scored.rewards) if scored.score is not None else None,
        "tag": scored.item.category,
        "reason": outcome.reason if isinstance(outcome, Score) else None,
        "error": scored.error or None,
    }
    if scored.image.warning:
        result["warning"] = scored.image.warning
    if details:
        result["details"] = dict(outcome.details) if isinstance(outcome, Score) else None
    return result
