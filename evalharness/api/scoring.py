"""Scores images in memory, without a store or a run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from PIL import Image

from evalharness._util.image_files import png_bytes
from evalharness.api.benchmark import JudgeScorer, Scorer, ScoreRequest
from evalharness.api.judge import JudgePrompt
from evalharness.api.plugin_results import plain_reply, plain_score, scorer_faults
from evalharness.errors import SampleError
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.spent import Spent


def score_images(
    scorer: Scorer | JudgeScorer, images: Sequence[Image.Image], items: Sequence[Item], label: str
) -> list[Score]:
    """Score an image for each item.

    Args:
        scorer: A benchmark's scorer.
        images: Images of any size and mode.
        items: The items that they were drawn for.
        label: Names the scorer in messages.

    Raises:
        SampleError: An image cannot be scored.
        NotFiniteError: The scorer computes NaN or infinite numbers.
    """
    if isinstance(scorer, JudgeScorer):
        scores = _judge(scorer, images, items, label)
    else:
        scores = _score(scorer, images, items, label)
    return [plain_score(score, label, scorer.score_range) for score in scores]


def _score(scorer: Scorer, images: Sequence[Image.Image], items: Sequence[Item], label: str) -> list[Score]:
    scores: list[Score] = []
    for start in range(0, len(items), scorer.batch_size):
        batch = slice(start, start + scorer.batch_size)
        with scorer_faults(label):
            scores += scorer.score([image.convert("RGB") for image in images[batch]], items[batch])
    return scores


def _judge(scorer: JudgeScorer, images: Sequence[Image.Image], items: Sequence[Item], label: str) -> list[Score]:
    requests = []
    for number, (image, item) in enumerate(zip(images, items, strict=True)):
        data = png_bytes(image)
        requests.append(ScoreRequest(str(number), item, data, hashlib.sha256(data).hexdigest()))
    scores: dict[str, Score] = {}
    with scorer_faults(label):
        for request, outcome in scorer.judge(requests, KeptReplies()):
            if isinstance(outcome, SampleError):
                raise outcome
            scores[request.key] = outcome
    return [scores[request.key] for request in requests]


class KeptReplies:
    """The :class:`~evalharness.api.judge.Replies` of one call, in memory."""

    def __init__(self) -> None:
        self._replies: dict[str, list[Reply]] = {}

    def get(self, key: str) -> list[Reply]:
        return list(self._replies.get(key, ()))

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        self._replies.setdefault(key, []).append(plain_reply(reply, "the judge"))

    def spent(self, judge: str) -> Spent:
        return Spent()

    def all(self) -> list[Reply]:
        """All replies, those of a prompt in the order of the tries."""
        return [reply for replies in self._replies.values() for reply in replies]
