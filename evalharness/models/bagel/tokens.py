"""Converts between text and tokens with Qwen2's tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evalharness._util.text import one_line
from evalharness.errors import WeightsError
from evalharness.models.bagel.verbs import Markers

TEXT_START, TEXT_END, IMAGE_START, IMAGE_END = "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"


class Tokens:
    """Qwen2's tokenizer with the four markers; those that a checkpoint lacks are added, as in the original."""

    def __init__(self, folder: Path, vocabulary: int) -> None:
        from transformers import Qwen2Tokenizer

        names = (TEXT_START, TEXT_END, IMAGE_START, IMAGE_END)
        try:
            self._tokenizer: Any = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
            vocabulary_ids = self._tokenizer.get_vocab()
            self._tokenizer.add_tokens([name for name in names if name not in vocabulary_ids])
            ids = self._tokenizer.convert_tokens_to_ids(list(names))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise WeightsError(f"{folder} has no tokenizer that can be read: {one_line(str(error), 200)}") from error
        if not all(isinstance(token, int) and token < vocabulary for token in ids):
            raise WeightsError(f"the tokenizer in {folder} has more tokens than llm_config.json says ({vocabulary})")
        self.markers = Markers(*ids)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; bytes that are not UTF-8 become U+FFFD, as in the original."""
        text: str = self._tokenizer.decode(list(ids))
        return text

    def stop_condition(self, stop: Sequence[str]) -> Callable[[int, Sequence[int]], bool]:
        """A function that tells whether tokens, of which only the last is new, contain a ``stop`` marker."""
        # A token has at least one byte, so a marker has at most as many tokens as bytes.
        reach = max((len(marker.encode()) for marker in stop), default=0) + 8

        def contains_marker(index: int, ids: Sequence[int]) -> bool:
            if not stop:
                return False
            tail = self.decode(ids[-reach:])
            return any(marker in tail for marker in stop)

        return contains_marker
