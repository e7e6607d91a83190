"""The judge ``lm-eval``: any multimodal model of the LM Evaluation Harness, under the name that it has there.

Such models are ``hf-multimodal`` (transformers), ``vllm-vlm`` and the endpoints for chat completions. Their arguments
are lm-eval's ``model_args``. Without arguments the judge is the embedded one, a small vision-language model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator

from evalharness._util.chunking import chunks
from evalharness._util.devices import pick_device
from evalharness._util.file_digests import digest_of_all_files, folder_digest
from evalharness._util.finite import watch_logits
from evalharness._util.quiet import silent
from evalharness.api.executor import isolate
from evalharness.api.failure import Failure, sample_error
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.assets.hub_or_folder import HubOrFolder
from evalharness.errors import ConfigError, SampleError, did_you_mean
from evalharness.judges.data_url import decode_image
from evalharness.judges.judge_weights import DOCUMENTATION, embedded_judge
from evalharness.models.hub import commit_of
from evalharness.types.reply import Reply

IMAGE = "<image>"
"""Placeholder of an image in lm-eval's texts; it is replaced in the text of a prompt, which may contain it as well."""
EXECUTION_ARGS = {
    *("device", "device_map", "device_map_option", "max_memory_per_gpu", "max_cpu_memory", "offload_folder", "gpus"),
    *("parallelize", "tensor_parallel_size", "data_parallel_size", "gpu_memory_utilization", "attn_implementation"),
    *("batch_size", "max_batch_size", "base_url", "num_concurrent", "timeout", "max_retries"),
}
"""Arguments that decide where and how fast a model runs, not what it answers; the judge's identity leaves them out."""
FORMER_ARGS = ("device", "batch_size", "base_url", "num_concurrent", "timeout", "max_retries", "parallelize")
"""Those that it left out at first."""
SECRETS = ("api_key", "header", "headers", "token", "use_auth_token")
"""Arguments that could hold a key, which the report would then show."""
NEEDS = {"pretrained": ("hf-multimodal", "vllm-vlm"), "model": ("local-chat-completions", "openai-chat-completions")}


class LMEval(Judge):
    """See the module's docstring. Every reply is greedy unless ``temperature`` is above 0."""

    class Settings(BaseModel):
        """How lm-eval loads and runs the model.

        Attributes:
            model: lm-eval's ``--model``.
            args: lm-eval's ``--model_args``. ``pretrained`` is a folder or a name on the hub; other relative paths are
                relative to the working directory.
            temperature: Replies are sampled if it is above 0.
            generation: Further ``--gen_kwargs`` of lm-eval.
            device: Device of a transformers model.
            batch_size: Prompts that are answered together.
        """

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

        @field_validator("args")
        @classmethod
        def _with_weights(cls, args: dict[str, Any]) -> dict[str, Any]:
            """Mark the weights, so that a sweep file's folder resolves their path."""
            pretrained = args.get("pretrained")
            return (
                args | {"pretrained": HubOrFolder(pretrained)} if pretrained and isinstance(pretrained, str) else args
            )

    name = "lm-eval"
    requires: ClassVar[tuple[str, ...]] = ("lm_eval", "accelerate")

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()
        self.in_process = not self.settings.model.endswith("completions")

    # --- who it is ---

    def identity(self) -> Mapping[str, Any]:
        """The judge's identity. Local weights enter it as their digest, whatever their path; others as their commit."""
        folder = self._folder
        weights = None if folder is None else folder_digest(folder, ["*"], without=DOCUMENTATION)
        return self._identity(EXECUTION_ARGS, weights)

    def former_identities(self) -> list[Mapping[str, Any]]:
        """Once, the digest of a folder was over all of its files, and fewer arguments were left out."""
        folder = self._folder
        return [self._identity(FORMER_ARGS, None if folder is None else digest_of_all_files(folder, DOCUMENTATION))]

    def _identity(self, left_out: Collection[str], weights: str | None) -> Mapping[str, Any]:
        chosen = self.settings
        args = {key: value for key, value in chosen.args.items() if key not in left_out}
        if weights is not None:
            args["pretrained"] = weights
        if self._commit is not None:
            args["revision"] = self._commit
        return {
            "name": self.name,
            "model": chosen.model,
            "args": args,
            "temperature": chosen.temperature,
            "generation": dict(chosen.generation),
        }

    @cached_property
    def _folder(self) -> Path | None:
        """The folder of local weights; ``None`` if the model is on a hub or behind an endpoint."""
        chosen = self.settings
        if not chosen.args and chosen.model == "hf-multimodal":
            return embedded_judge()
        for key, models in NEEDS.items():
            if chosen.model in models and key not in chosen.args:
                raise ConfigError(f"judge 'lm-eval': model {chosen.model!r} needs the argument {key!r} in args")
        return self._pretrained.folder if self._pretrained is not None else None

    @property
    def _pretrained(self) -> HubOrFolder | None:
        """What the settings say of the weights; ``None`` if nothing, or if the model is behind an endpoint."""
        named = self.settings.args.get("pretrained") if self.in_process else None
        return named if isinstance(named, HubOrFolder) else None

    @cached_property
    def _commit(self) -> str | None:
        """The commit of weights on the hub, which stays the same when their branch moves."""
        if self._pretrained is None or self._folder is not None:
            return None
        return commit_of(self._pretrained, self.settings.args.get("revision"))

    def reachable(self) -> None:
        """Load the model, so that a missing file or package is reported before the run."""
        self._ready()

    # --- asking ---

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        # A batch samples from one stream of random numbers. Asked alone, each prompt has a stream of its own.
        size = 1 if self.settings.temperature > 0 else self.settings.batch_size
        for batch in chunks(prompts, size):
            self._ready()
            outcomes = isolate(self._answer, [prompt for _, prompt in batch])
            for (number, _), outcome in zip(batch, outcomes, strict=True):
                yield number, sample_error(outcome) if isinstance(outcome, Failure) else outcome

    def _answer(self, prompts: Sequence[JudgePrompt]) -> list[Reply]:
        import torch
        from lm_eval.api.instance import Instance

        model = self.model
        requests = []
        for index, prompt in enumerate(prompts):
            chat, images = _chat_and_images(prompt.messages)
            arguments = (model.apply_chat_template(chat), self._generation(prompt), {"visual": images})
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
        """The model; loaded at the first call."""
        try:
            return self.model
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, AssertionError) as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise ConfigError(f"judge 'lm-eval': {self.settings.model!r} cannot be loaded: {what}") from error

    @cached_property
    def model(self) -> Any:
        """lm-eval's model, loaded on first use."""
        import lm_eval.models
        from lm_eval.api.registry import get_model

        for logger in ("lm_eval", "lm_eval.models.huggingface", "lm_eval.models.hf_vlms"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        chosen = self.settings
        try:
            kind = get_model(chosen.model)
        except (KeyError, ValueError):
            hint = did_you_mean(chosen.model, lm_eval.models.MODEL_MAPPING)
            raise ConfigError(f"judge 'lm-eval': lm-eval has no model {chosen.model!r}{hint}") from None
        if not getattr(kind, "MULTIMODAL", False):
            raise ConfigError(f"judge 'lm-eval': {chosen.model!r} does not look at images; hf-multimodal does")
        args = dict(chosen.args)
        if self._folder is not None:
            args["pretrained"] = str(self._folder)
        if self._commit is not None:
            args |= {"pretrained": str(args["pretrained"]), "revision": self._commit}
        if chosen.model.startswith("hf"):
            embedded = {} if chosen.args else {"dtype": "float32"}
            args = {"device": pick_device(chosen.device), "batch_size": chosen.batch_size} | embedded | args
        with silent():
            model = kind.create_from_arg_obj(args)
        network: Any = getattr(model, "model", None)
        if hasattr(network, "register_forward_hook"):  # not an engine in a process of its own, as vLLM's
            watch_logits(network, "the judge")
        return model


def _chat_and_images(messages: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Image.Image]]:
    """Split a chat as lm-eval expects it: texts with an :data:`IMAGE` for each image, and the images in order."""
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
    return chat, images
