"""The judge ``bagel``: BAGEL answers questions about images, with the same weights that draw.

Images pass through the vision transformer only, as in BAGEL's image understanding. BAGEL has no chat roles: it reads
the texts and images of a prompt in their order.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness._util.chunking import chunks
from evalharness.api.executor import isolate
from evalharness.api.failure import Failure, sample_error
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.api.model import Written
from evalharness.errors import SampleError
from evalharness.judges.data_url import decode_image
from evalharness.models.bagel import plugin
from evalharness.models.bagel.published import Published
from evalharness.models.bagel.settings import Longest
from evalharness.models.bagel.settings import Settings as ModelSettings
from evalharness.types.reply import Reply

DECIDING = ("dtype", "mode", "temperature", "vae_sizes", "vit_sizes")
END = ("<|im_end|>",)


class Bagel(Judge):
    """See the module's docstring."""

    class Settings(BaseModel):
        """The settings that the judge shares with the model, and ``batch_size``, prompts that are answered together."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: Published | Path
        base: Published | Path | None = None
        ema: bool | None = None
        dtype: Literal["bfloat16", "float32"] = "bfloat16"
        mode: Literal["exact", "fast"] = "exact"
        temperature: float = Field(default=0.0, ge=0, le=10)
        vae_sizes: tuple[Longest, Longest] = (1024, 512)
        vit_sizes: tuple[Longest, Longest] = (980, 224)
        device: str = "auto"
        devices: tuple[str, ...] = ()
        batch_size: int = Field(default=16, ge=1, le=4096)
        context_tokens: int | None = Field(default=None, ge=1)

        @model_validator(mode="after")
        def _ordered(self) -> Bagel.Settings:
            for name in ("vae_sizes", "vit_sizes"):
                if getattr(self, name)[0] < getattr(self, name)[1]:
                    raise ValueError(f"{name}: the longer side comes first, then the shorter")
            return self

    name = "bagel"
    behaviour_version = 2
    in_process = True
    requires: ClassVar[tuple[str, ...]] = plugin.Bagel.requires
    extra = plugin.Bagel.extra

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        nothing_drawn = {"height": 16, "width": 16, "max_tokens": 32_768}
        self._model = plugin.Bagel(ModelSettings.model_validate({**settings.model_dump(), **nothing_drawn}))

    def identity(self) -> Mapping[str, Any]:
        deciding = self.settings.model_dump(mode="json", include=set(DECIDING))
        return {"name": self.name, "weights": self._model.weights_digest(), **deciding}

    def former_identities(self) -> Sequence[Mapping[str, Any]]:
        """The first version differs in how tokens are sampled, which does not matter where they are not."""
        return [] if self.settings.temperature else [self.identity()]

    def reachable(self) -> None:
        """Load the model, so that a missing file or package is reported before the run."""
        self._model.start(0)

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        for batch in chunks(prompts, self.settings.batch_size):
            outcomes = isolate(self._answer, [prompt for _, prompt in batch])
            for (number, _), outcome in zip(batch, outcomes, strict=True):
                yield number, sample_error(outcome) if isinstance(outcome, Failure) else outcome

    def _answer(self, prompts: Sequence[JudgePrompt]) -> list[Reply]:
        parts = [list(_parts(prompt.messages)) for prompt in prompts]
        start = time.perf_counter()
        contexts = self._model.start(len(prompts))
        for position in zip_longest(*parts):
            pairs = list(zip(contexts, position, strict=True))
            texts = [(context, part) for context, part in pairs if isinstance(part, str)]
            images = [(context, part) for context, part in pairs if isinstance(part, Image.Image)]
            if texts:
                self._model.read([context for context, _ in texts], [text for _, text in texts])
            if images:
                self._model.glance([context for context, _ in images], [image for _, image in images])
        prompt_tokens = [context.full.cache.length for context in contexts]
        written: dict[int, Written] = {}
        for limit in sorted({prompt.max_tokens for prompt in prompts}):
            indices = [index for index, prompt in enumerate(prompts) if prompt.max_tokens == limit]
            seeds = [int(prompts[index].key()[:15], 16) for index in indices]
            answers = self._model.write([contexts[index] for index in indices], stop=END, max_tokens=limit, seeds=seeds)
            written |= dict(zip(indices, answers, strict=True))
        seconds = (time.perf_counter() - start) / len(prompts)
        replies = []
        for index, answer in sorted(written.items()):
            finish = "stop" if answer.ended else "length"
            replies.append(Reply(answer.text, finish, prompt_tokens[index], answer.tokens, seconds=seconds))
        return replies


def _parts(messages: Sequence[Mapping[str, Any]]) -> Iterator[str | Image.Image]:
    """Give the texts and images of a chat in their order."""
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            yield content
            continue
        for part in content:
            yield decode_image(part["image_url"]["url"]) if part["type"] == "image_url" else part["text"]
