"""The format of BAGEL's thinking mode: the model writes one text under a system prompt, then draws. No process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from evalharness.api.format import Format, Stage
from evalharness.errors import ConfigError


class Bagel(Format):
    """See the module's docstring. The system prompt is upstream's, so ``system`` must be given."""

    name: ClassVar[str] = "bagel"
    think = Stage("", ("<|im_end|>",), 32_768)

    def __init__(self, words: Mapping[str, str]) -> None:
        if "system" not in words:
            raise ConfigError(
                "format 'bagel' thinks under a system prompt: give the model `words: official`, or "
                "`words: {system: …}`, a string or {file: …/inferencer.py, constant: GEN_THINK_SYSTEM_PROMPT} of an "
                "upstream checkout"
            )
        self.system = words["system"]

    def done(self, plan: str) -> bool:
        return True
