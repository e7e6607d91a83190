"""A mock whose texts and drawings depend on all that its context holds, and on the device that draws."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from PIL import Image

from evalharness.api.model import Drawn, Written
from evalharness.testing import MockModel
from evalharness.types.trajectory import StepKind


class GrowingModel(MockModel):
    """Plans, and finds fault with its sketches, as the digest of its context says.

    ``device`` is mixed into every drawing; ``drawings`` and ``texts`` count what was made in this process.
    """

    class Settings(MockModel.Settings):
        """``continues`` and ``replays`` are those of the model."""

        continues: bool = True
        replays: bool = True

    name = "growing"
    settings: Settings
    device: ClassVar[str] = "first"
    drawings: ClassVar[int] = 0
    texts: ClassVar[int] = 0

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings or self.Settings())
        self.continues, self.replays = self.settings.continues, self.settings.replays

    def look(self, contexts: Sequence[list[str]], images: Sequence[Image.Image]) -> None:
        self.read(contexts, [f"[image {hashlib.sha256(image.tobytes()).hexdigest()}]" for image in images])

    def draw(
        self,
        contexts: Sequence[list[str]],
        *,
        unguided: Sequence[list[str]],
        seeds: Sequence[int],
        kind: StepKind = "draw",
    ) -> list[Drawn]:
        GrowingModel.drawings += len(contexts)
        return self.paint(["\n".join([self.device, *context]) for context in contexts], seeds)

    def write(
        self,
        contexts: Sequence[list[str]],
        *,
        stop: Sequence[str],
        max_tokens: int,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        GrowingModel.texts += len(contexts)
        texts = [self._reply(context, stop[0]) for context in contexts]
        self.read(contexts, [f"{opening}{text}" for text in texts])
        return [Written(text, len(text.split())) for text in texts]

    def _reply(self, context: Sequence[str], stop: str) -> str:
        digest = hashlib.sha256("\n".join(context).encode()).hexdigest()
        if stop == "</inspect>":
            return f"<inspect> {'ok' if digest < '6' else f'wrong {digest[:4]}'} </inspect>"
        if stop == "</refine>":
            return f"<refine> {digest[:6]} </refine>"
        if sum("<ins>" in text for text in context) >= self.settings.iterations:
            return "<end>"
        return f"<ins> draw {digest[:6]} </ins> <des> {context[0]} </des>"
