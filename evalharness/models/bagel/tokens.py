"""Text to tokens and back, with Qwen2's tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evalharness.errors import WeightsError
from evalharness.models.bagel.verbs import Markers

TEXT_START, TEXT_END, IMAGE_START, IMAGE_END = "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"


class Tokens:
    """Qwen2's tokenizer with the four markers; those that a checkpoint's files lack are added, as the original does."""

    def __init__(self, folder: Path, vocabulary: int) -> None:
        from transformers import Qwen2Tokenizer

        names = (TEXT_START, TEXT_END, IMAGE_START, IMAGE_END)
        try:
            self._tokenizer: Any = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
            known = self._tokenizer.get_vocab()
            self._tokenizer.add_tokens([name for name in names if name not in known])
            ids = self._tokenizer.convert_tokens_to_ids(list(names))
        except (OSError, ValueError, TypeError, KeyError) as error:
            what = " ".join(str(error).split())[:200]
            raise WeightsError(f"{folder} has no tokenizer that can be read: {what}") from error
        if not all(isinstance(one, int) and one < vocabulary for one in ids):
            raise WeightsError(f"the tokenizer in {folder} has more tokens than llm_config.json says ({vocabulary})")
        self.markers = Markers(*ids)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these tokens; bytes that are no UTF-8 become U+FFFD, as they do in the original."""
        text: str = self._tokenizer.decode(list(ids))
        return text

    def finished(self, stop: Sequence[str]) -> Callable[[int, Sequence[int]], bool]:
        """Whether tokens, whose last one is new, hold a ``stop`` marker."""
        reach = max((len(marker.encode()) for marker in stop), default=0) + 8

        def found(index: int, ids: Sequence[int]) -> bool:
            return any(marker in self.decode(ids[-reach:]) for marker in stop) if stop else False

        return found
