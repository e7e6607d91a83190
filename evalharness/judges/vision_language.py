"""The judge ``transformers``: any image-text-to-text model of transformers, in words or by probabilities."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import folder_digest
from evalharness._util.finite import watch_logits
from evalharness._util.quiet import silent
from evalharness.api.executor import isolate
from evalharness.api.failure import Failure, sample_error
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.assets.hub_or_folder import HubOrFolder
from evalharness.errors import ConfigError, SampleError
from evalharness.judges.data_url import decode_image
from evalharness.judges.judge_weights import DOCUMENTATION, embedded_judge
from evalharness.models.hub import commit_of
from evalharness.types.reply import Reply


class VisionLanguage(Judge):
    """Loads a model by transformers' auto classes, and asks one prompt at a time. Replies are greedy."""

    class Settings(BaseModel):
        """The model, and where it runs.

        Attributes:
            weights: ``embedded``, a folder, or a name on the Hugging Face hub.
            revision: Branch, tag or commit of a name on the hub.
            dtype: Precision of the network; ``auto`` is that of the checkpoint.
            device: Where it runs.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: Literal["embedded"] | HubOrFolder = Field(default="embedded", union_mode="left_to_right")
        revision: str | None = None
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
        device: str = "auto"

    name = "transformers"
    in_process = True
    probabilities = "exact"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()

    def identity(self) -> Mapping[str, Any]:
        """Weights in a folder enter it as their digest, whatever their path; those on the hub as their commit."""
        chosen, folder = self.settings, self._folder
        if folder is not None:
            return {
                "name": self.name,
                "weights": folder_digest(folder, ["*"], without=DOCUMENTATION),
                "dtype": self._dtype,
            }
        return {"name": self.name, "model": chosen.weights, "revision": self._commit, "dtype": chosen.dtype}

    @cached_property
    def _folder(self) -> Path | None:
        """The folder of the weights; ``None`` if they are on a hub."""
        weights = self.settings.weights
        return weights.folder if isinstance(weights, HubOrFolder) else embedded_judge()

    @cached_property
    def _commit(self) -> str:
        """The commit of weights on the hub, which stays the same when their branch moves."""
        return commit_of(self.settings.weights, self.settings.revision)

    @property
    def _dtype(self) -> str:
        """The precision; the embedded weights are stored in half precision and meant for single."""
        embedded = self.settings.weights == "embedded" and self.settings.dtype == "auto"
        return "float32" if embedded else self.settings.dtype

    def reachable(self) -> None:
        """Load the model, so that a missing file or package is reported before the run."""
        self._ready()

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        for number, prompt in prompts:
            self._ready()
            (outcome,) = isolate(self._answer, [prompt])
            yield number, sample_error(outcome) if isinstance(outcome, Failure) else outcome

    def _answer(self, prompts: Sequence[JudgePrompt]) -> list[Reply]:
        (prompt,) = prompts
        start = time.perf_counter()
        inputs = self._inputs(prompt)
        read = int(inputs["input_ids"].shape[1])
        if prompt.answers:
            text, written = repr(self._probability(inputs, prompt.answers)), 1
        else:
            text, written = self._words(inputs, prompt.max_tokens)
        seconds = time.perf_counter() - start
        ended = "length" if not prompt.answers and written >= prompt.max_tokens else "stop"
        return [Reply(text, ended, prompt_tokens=read, completion_tokens=written, seconds=seconds)]

    def _inputs(self, prompt: JudgePrompt) -> Any:
        processor, model = self._loaded
        chat = [{"role": message["role"], "content": _parts(message["content"])} for message in prompt.messages]
        options = {"tokenize": True, "add_generation_prompt": True, "return_dict": True, "return_tensors": "pt"}
        return processor.apply_chat_template(chat, **options).to(model.device, model.dtype)

    def _probability(self, inputs: Any, answers: Sequence[str]) -> float:
        """The sum of the first tokens' probabilities; texts that begin with one token count it as often, as published
        with GenEval 2."""
        import torch

        processor, model = self._loaded
        with torch.inference_mode():
            generated = model.generate(
                **inputs, max_new_tokens=1, do_sample=False, output_scores=True, return_dict_in_generate=True
            )
        probabilities = torch.softmax(generated.scores[0][0].float(), dim=-1)
        first = [processor.tokenizer.encode(answer, add_special_tokens=False)[0] for answer in answers]
        return sum(float(probabilities[token]) for token in first)

    def _words(self, inputs: Any, max_tokens: int) -> tuple[str, int]:
        import torch

        processor, model = self._loaded
        with torch.inference_mode():
            tokens = model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
        written = tokens[0, inputs["input_ids"].shape[1] :]
        return str(processor.decode(written, skip_special_tokens=True)), len(written)

    def _ready(self) -> None:
        try:
            _ = self._loaded
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise ConfigError(f"judge 'transformers': {self.settings.weights} cannot be loaded: {what}") from error

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Processor and model, loaded on first use."""
        from transformers import AutoModelForImageTextToText, AutoProcessor

        chosen = self.settings
        source = chosen.weights if self._folder is None else str(self._folder)
        options = {"revision": self._commit} if self._folder is None else {}
        device = pick_device(chosen.device)
        with silent():
            processor = AutoProcessor.from_pretrained(source, **options)
            model = AutoModelForImageTextToText.from_pretrained(source, dtype=self._dtype, **options)
        model = model.to(device).eval()
        watch_logits(model, "the judge")
        return processor, model


def _parts(content: Any) -> list[dict[str, Any]]:
    """The content of a message as transformers' chat templates take it."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [
        {"type": "image", "image": decode_image(part["image_url"]["url"])}
        if part["type"] == "image_url"
        else {"type": "text", "text": part["text"]}
        for part in content
    ]
