"""The part of a trajectory's key that all trajectories of a model in one variant share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from evalharness._util.hashing import digest
from evalharness.api.model import ImageModel
from evalharness.api.variant import Variant
from evalharness.generation import variants
from evalharness.generation.format_words import format_identity, keyless, named_format


def key_head(variant: Variant, model: Any, identity: Mapping[str, Any]) -> list[Any]:
    """The digest of a model's identity, the variant's settings without its cap, and what else decides its trajectories.

    The third part holds the words and versions that keys did not have at first. It is left out where all of these are
    as they were then, so that trajectories of that time keep their keys.
    """
    settings = variant.key()
    behaviour: dict[str, Any] = {}
    if variants.LOOP_VERSION != 1 and isinstance(model, ImageModel):
        behaviour["loop"] = variants.LOOP_VERSION
    if variant.behaviour_version != 1:
        behaviour["variant"] = variant.behaviour_version
    spoken = variant.spoken_format(model)
    if spoken is not None:
        if "format" in settings:
            settings["format"] = named_format(model, spoken)
        of_format = format_identity(spoken, _words_in_identity(model, identity))
        if not keyless(of_format):
            behaviour["format"] = of_format
    head = ["trajectory", digest(dict(identity)), settings]
    return [*head, behaviour] if behaviour else head


def _words_in_identity(model: Any, identity: Mapping[str, Any]) -> Mapping[str, str]:
    """The words that a model gives its formats, if its identity has their digests."""
    words: Mapping[str, str] = model.words
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in words.items()}
    return words if identity.get("words") == digests else {}
