"""An image endpoint as a part of a composite: the verbs of a model that draws and edits here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from PIL import Image

from evalharness._util.hashing import digest
from evalharness._util.image_files import decode_png, png_bytes
from evalharness.api.model import Drawn, ImageRequest, RemoteImageModel
from evalharness.errors import SampleError
from evalharness.models.composite.kept_answers import KeptAnswers
from evalharness.types.trajectory import Step


class RemotePart:
    """Draws and edits a batch at a time, by an endpoint."""

    def __init__(self, model: RemoteImageModel) -> None:
        self._model = model
        self._kept: KeptAnswers[Step] = KeptAnswers()

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Draw an image for each prompt."""
        return self._drawn([ImageRequest(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)])

    def edit(self, images: Sequence[Image.Image], instructions: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Change each image by its instruction."""
        rows = zip(images, instructions, seeds, strict=True)
        return self._drawn([ImageRequest(text, seed, png_bytes(image)) for image, text, seed in rows])

    def _drawn(self, requests: Sequence[ImageRequest]) -> list[Drawn]:
        keys = [
            digest([request.prompt, request.seed, hashlib.sha256(request.image or b"").hexdigest()])
            for request in requests
        ]
        drawn = []
        for step in self._kept.answers(keys, requests, self._model.generate, self._model.require_room):
            if step.image is None:
                raise SampleError("the endpoint sent no image")
            image, cost = decode_png(step.image, keep_transparency=True), step.cost
            drawn.append(Drawn(image, cost.evaluations, cost.tokens, cost.dollars, revised_prompt=step.text))
        return drawn
