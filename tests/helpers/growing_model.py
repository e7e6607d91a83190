"""A mock whose texts and drawings depend on all that its context holds, and on the device that draws."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from PIL import Image

from evalharness.api.model import Branching, Drawn
from evalharness.testing import MockModel
from evalharness.types.trajectory import StepKind


class GrowingModel(MockModel, Branching):
    """Plans, and finds fault with its sketches, as the digest of its context says.

    ``device`` is mixed into every drawing; ``drawings`` and ``texts`` count what was made in this process.
    """

    class Settings(MockModel.Settings):
        """Settings that decide nothing about a drawing, but for ``continues``.

        Attributes:
            continues: That of the model.
            replays: That of the model.
            notes: A folder that gets a line for each drawing, in the file ``drawn``.
            dies_after: Number of the call of ``draw`` at whose end the first process that comes so far kills itself.
            fails_after: Number of images in a context after which drawing raises an error.
        """

        continues: bool = True
        replays: bool = True
        notes: Path | None = None
        dies_after: int | None = None
        fails_after: int | None = None

    name = "growing"
    formats: ClassVar[tuple[str, ...]] = ("strokes", "unicot", "zebra")
    words: Mapping[str, str] = {"system": "system", "detail": "in detail"}
    settings: Settings
    device: ClassVar[str] = "first"
    drawings: ClassVar[int] = 0
    texts: ClassVar[int] = 0

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings or self.Settings())
        self._calls = 0
        self.continues, self.replays = self.settings.continues, self.settings.replays

    def look(self, contexts: Sequence[list[str]], images: Sequence[Image.Image]) -> None:
        self.read(contexts, [f"[image {hashlib.sha256(image.tobytes()).hexdigest()}]" for image in images])

    def glance(self, contexts: Sequence[list[str]], images: Sequence[Image.Image]) -> None:
        self.read(contexts, [f"[glance {hashlib.sha256(image.tobytes()).hexdigest()}]" for image in images])

    def append(self, contexts: Sequence[list[str]], texts: Sequence[str]) -> None:
        self.read(contexts, [f"[append {text}]" for text in texts])

    def fork(self, contexts: Sequence[list[str]]) -> list[list[str]]:
        return [[*context] for context in contexts]

    def draw(
        self,
        contexts: Sequence[list[str]],
        *,
        unguided: Sequence[list[str]],
        seeds: Sequence[int],
        kind: StepKind = "draw",
    ) -> list[Drawn]:
        settings = self.settings
        self._calls += 1
        if settings.notes is not None and self._calls == settings.dies_after:
            with contextlib.suppress(FileExistsError):
                (settings.notes / "died").touch(exist_ok=False)
                time.sleep(settings.seconds)
                os.kill(os.getpid(), signal.SIGKILL)
        images = max(sum("[image" in text for text in context) for context in contexts)
        if settings.fails_after is not None and images > settings.fails_after:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if settings.notes is not None:
            with (settings.notes / "drawn").open("a") as file:
                file.writelines(f"{seed}\n" for seed in seeds)
        GrowingModel.drawings += len(contexts)
        return self.paint(["\n".join([self.device, *context]) for context in contexts], seeds)

    def reply(self, context: Sequence[str], stop: str) -> str:
        GrowingModel.texts += 1
        digest = hashlib.sha256("\n".join(context).encode()).hexdigest()
        if stop == "<|im_end|>":
            return self._free(context, digest)
        if stop == "</inspect>":
            return f"<inspect> {'ok' if digest < '6' else f'wrong {digest[:4]}'} </inspect>"
        if stop == "</refine>":
            return f"<refine> {digest[:6]} </refine>"
        if sum("<ins>" in text for text in context) >= self.settings.iterations:
            return "<end>"
        return f"<ins> draw {digest[:6]} </ins> <des> {context[0]} </des>"

    def _free(self, context: Sequence[str], digest: str) -> str:
        """A text in a format without markers: empty, of several lines, content, or an answer that ends the process."""
        if sum("[glance" in text for text in context) >= 3 and digest < "8":
            return "Final Answer: this"
        return {"0": "", "1": "", "2": f"{digest[:3]}\n\n{digest[3:6]}"}.get(
            digest[0], f"{digest[:6]} No editing" if digest < "a" else digest[:6]
        )
