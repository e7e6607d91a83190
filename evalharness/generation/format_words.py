"""The identity of a format: its name, its words, and the version of its behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalharness._util.hashing import digest
from evalharness.api.format import Format, Stage
from evalharness.api.model import Interleaver

STAGES = ("think", "plan", "inspect", "refine")
KEYLESS = frozenset(
    {
        "c907f5e68ae8d4dbefdcfc557067f3f37b24250faa60f47b424e5d7ff65664af",  # strokes
        "d9a62e6a0339598d52138bab3204bc025ef83a7c95f19041194b2537413230ad",  # prompted
        "b582fd03aeb94ed609c8c0fd2f4e024411ae99ccffee2a2c68b4b5cfb98333a2",  # the same with a model's request to plan
        "c495591fdaef72951a52cf392067a027f766fa07b6243ebf448d38f71d649afe",  # to inspect
        "2d2faab6e02a1d46344e9caa624b5ca8d34e027676e5d6dc186ef288183f67c2",  # to refine
        "8c2e3e273d81e933c45c15d867908ff200470124feffad8714d819791c2500c2",  # to plan and inspect
        "a1d582101666a5a01d0de0fe707169f28514a074c8f41d1585d5f692403cd6a4",  # to plan and refine
        "a18d4cd67a8b0ba75f9b7f27414e075bba63d075f7c4acb34319c24028a36030",  # to inspect and refine
        "bc2f4729beea1fc2815f96e9b0a170aad7938f76aba3fa990b5484e706908753",  # to plan, inspect and refine
        "b19dda04c63589557ad9d089cebe83172f27625e70936e2d35af597dcf5255d5",  # bagel
        "fe1097f498a459474f37eeac3cf760ef997ecbd64089914c5fb71e70f39fe483",  # zebra
    }
)
"""Digests of the identities of formats that keys do not mention: those that came with the package when keys had no
words. A format whose words change has another digest, and is mentioned from then on."""
DEFAULT_FORMATS = {"bagel": "bagel"}
"""Model → the format that keys do not name."""
DEFAULT_FORMAT = "strokes"
"""The same for all other models."""


def format_identity(spoken: Format, known_words: Mapping[str, str]) -> dict[str, Any]:
    """The name, the digest of the words and the behaviour version of a format.

    Args:
        spoken: The format.
        known_words: Texts by name, of which the model's identity has the digests. They count by their names.
    """
    names = {text: name for name, text in known_words.items() if text}
    stages = {name: _stage_words(stage, names) for name, stage in _stages(spoken).items()}
    words = {"system": _word(spoken.system, names), "prompt": spoken.prompt("{prompt}"), "stages": stages}
    return {"name": spoken.name, "words": digest(words), "version": spoken.behaviour_version}


def keyless(identity: Mapping[str, Any]) -> bool:
    """Whether a key that does not mention the words of a format stands for this identity."""
    return digest(dict(identity)) in KEYLESS


def named_format(model: Any, spoken: Format) -> str | None:
    """The format's name in a key: ``None`` for a model's default, however the sweep file names it.

    ``None`` stands for one format only, so that a model may change its default.
    """
    return None if spoken.name == unnamed_format(model) else spoken.name


def unnamed_format(model: Any) -> str | None:
    """The format that the keys of a model's trajectories do not name, if there is one."""
    default = default_format(model.name)
    return default if isinstance(model, Interleaver) and model.formats[0] == default else None


def default_format(model: str) -> str:
    """The format that stands for ``None`` in keys of a model of this name, where they have that."""
    return DEFAULT_FORMATS.get(model, DEFAULT_FORMAT)


def _stages(spoken: Format) -> dict[str, Stage]:
    attributes = {name: value for cls in reversed(type(spoken).__mro__) for name, value in vars(cls).items()}
    attributes |= vars(spoken) | {name: getattr(spoken, name) for name in STAGES}
    return {name: value for name, value in sorted(attributes.items()) if isinstance(value, Stage)}


def _stage_words(stage: Stage, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "open": _word(stage.open, names),
        "stop": list(stage.stop),
        "max_tokens": stage.max_tokens,
        "ask": _word(stage.ask, names),
    }


def _word(text: str, names: Mapping[str, str]) -> str | dict[str, str]:
    return {"word": names[text]} if text in names else text
