"""Judge plugin ``lm-eval``: any model that the LM Evaluation Harness can load and show images to, by its own names.

``hf-multimodal`` (transformers), ``vllm-vlm`` and the chat-completions endpoints are such models. Their arguments are
lm-eval's ``model_args``. Without any the judge is the embedded one, a small vision-language model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator

from evalharness._util.chunking import chunks
from evalharness._util.devices import pick_device
from evalharness._util.file_digests import folder_digest
from evalharness._util.quiet import silent
from evalharness.api.executor import Failure, isolate
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.assets.weights_folder import checked_folder, embedded_weights
from evalharness.errors import ConfigError, SampleError, did_you_mean
from evalharness.judges.data_url import decode_image
from evalharness.types.reply import Reply

IMAGE = "<image>"
"""Where an image stands in lm-eval's texts. In the words of a question it would be taken for one."""
ELSEWHERE = ("device", "batch_size", "base_url", "num_concurrent", "timeout", "max_retries", "parallelize")
"""Arguments that say where and how fast, not what: no part of the judge's identity."""
TOLD = ("card.json", "curve.csv", "README.md")
"""Files beside weights that tell of them and decide nothing."""
SECRETS = ("api_key", "header", "headers", "token", "use_auth_token")
"""Arguments that would bring a key into the sweep as a report shows it."""
NEEDS = {"pretrained": ("hf-multimodal", "vllm-vlm"), "model": ("local-chat-completions", "openai-chat-completions")}


class LMEval(Judge):
    """See the module's docstring. Every reply is greedy unless ``temperature`` is above 0."""

    class Settings(BaseModel):
        """``model`` and ``args``: as lm-eval's ``--model`` and ``--model_args``; relative paths in ``args`` are
        relative to where the command runs. ``generation``: more of its ``--gen_kwargs``. ``batch_size``: questions
        asked together; ``device``: for models of transformers."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        model: str = "hf-multimodal"
        args: dict[str, Any] = Field(default_factory=dict)
        temperature: float = Field(default=0.0, ge=0, le=10)
        generation: dict[str, Any] = Field(default_factory=dict)
        device: str = "auto"
        batch_size: int = Field(default=8, ge=1, le=1024)

        @field_validator("args")
        @classmethod
        def _without_keys(cls, args: dict[str, Any]) -> dict[str, Any]:
            for name in SECRETS:
                if name in args:
                    raise ValueError(f"{name} would stand in the report; keys come from the environment")
            return args

    name = "lm-eval"
    requires: ClassVar[tuple[str, ...]] = ("lm_eval", "accelerate")

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()
        self.in_process = not self.settings.model.endswith("completions")

    # --- who it is ---

    def identity(self) -> Mapping[str, Any]:
        """Local weights are known by their digest, wherever they lie."""
        chosen = self.settings
        own = {key: value for key, value in chosen.args.items() if key not in ELSEWHERE}
        folder = self._folder
        if folder is not None:
            own = own | {"pretrained": folder_digest(folder, without=TOLD)}
        return {
            "name": self.name,
            "model": chosen.model,
            "args": own,
            "temperature": chosen.temperature,
            "generation": dict(chosen.generation),
        }

    @cached_property
    def _folder(self) -> Path | None:
        """The folder with the weights; ``None`` for what a hub or an endpoint has."""
        chosen = self.settings
        if not chosen.args and chosen.model == "hf-multimodal":
            return checked_folder(embedded_weights("judge"), ("model.safetensors", "config.json", "tokenizer.json"))
        for key, models in NEEDS.items():
            if chosen.model in models and key not in chosen.args:
                raise ConfigError(f"judge 'lm-eval': model {chosen.model!r} needs the argument {key!r} in args")
        named = chosen.args.get("pretrained")
        return Path(named) if isinstance(named, str) and Path(named).is_dir() else None

    def reachable(self) -> None:
        """Load it: whatever an answer needs is then there."""
        self._ready()

    # --- asking ---

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        # Sampling draws from one stream of random numbers for a batch: asked alone, a question has its own.
        size = 1 if self.settings.temperature > 0 else self.settings.batch_size
        for batch in chunks(prompts, size):
            self._ready()
            outcomes = isolate(self._answer, [prompt for _, prompt in batch])
            for (number, _), outcome in zip(batch, outcomes, strict=True):
                yield number, SampleError(outcome.reason) if isinstance(outcome, Failure) else outcome

    def _answer(self, prompts: Sequence[JudgePrompt]) -> list[Reply]:
        import torch
        from lm_eval.api.instance import Instance

        model = self._model
        asked = [_request(prompt.messages) for prompt in prompts]
        requests = []
        for index, (prompt, one) in enumerate(zip(prompts, asked, strict=True)):
            context = model.apply_chat_template([dict(message) for message in one.chat])
            arguments = (context, self._generation(prompt), {"visual": list(one.images)})
            requests.append(Instance("generate_until", {}, arguments, index))
        torch.manual_seed(int(prompts[0].key()[:15], 16))
        start = time.perf_counter()
        texts = model.generate_until(requests, disable_tqdm=True)
        seconds = (time.perf_counter() - start) / len(prompts)
        return [Reply(str(text), seconds=seconds) for text in texts]

    def _generation(self, prompt: JudgePrompt) -> dict[str, Any]:
        sampled = self.settings.temperature > 0
        decoding = {"temperature": self.settings.temperature, "do_sample": sampled}
        return {"until": [], "max_gen_toks": prompt.max_tokens, **decoding, **self.settings.generation}

    def _ready(self) -> Any:
        """The model, loaded at the first call."""
        try:
            return self._model
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, AssertionError) as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise ConfigError(f"judge 'lm-eval': {self.settings.model!r} cannot be loaded: {what}") from error

    @cached_property
    def _model(self) -> Any:
        import lm_eval.models
        from lm_eval.api.registry import get_model

        for logger in ("lm_eval", "lm_eval.models.huggingface", "lm_eval.models.hf_vlms"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        chosen = self.settings
        try:
            kind = get_model(chosen.model)
        except (KeyError, ValueError):
            known = lm_eval.models.MODEL_MAPPING
            hint = did_you_mean(chosen.model, known)
            raise ConfigError(f"judge 'lm-eval': lm-eval has no model {chosen.model!r}{hint}") from None
        if not getattr(kind, "MULTIMODAL", False):
            raise ConfigError(f"judge 'lm-eval': {chosen.model!r} does not look at images; hf-multimodal does")
        own = dict(chosen.args)
        if self._folder is not None:
            own["pretrained"] = str(self._folder)
        if chosen.model.startswith("hf"):
            embedded = {} if chosen.args else {"dtype": "float32"}
            own = {"device": pick_device(chosen.device), "batch_size": chosen.batch_size} | embedded | own
        with silent():
            return kind.create_from_arg_obj(own)


@dataclass(frozen=True, slots=True)
class _Request:
    """A chat as lm-eval has it: texts with ``<image>`` in them, and the images in order."""

    chat: list[dict[str, Any]]
    images: list[Image.Image]


def _request(messages: Sequence[Mapping[str, Any]]) -> _Request:
    chat, images = [], []
    for message in messages:
        content = message["content"]
        parts: Sequence[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        words = []
        for part in parts:
            if part["type"] == "image_url":
                images.append(decode_image(part["image_url"]["url"]))
                words.append(IMAGE)
            else:
                words.append(part["text"].replace(IMAGE, "<an image>"))
        chat.append({"role": message["role"], "content": "".join(words)})
    return _Request(chat, images)
