"""The embedded judge's weights, and what beside weights is none of them."""

from __future__ import annotations

from pathlib import Path

from evalharness.assets.weights_folder import checked_folder, embedded_weights

DOCUMENTATION = ("card.json", "curve.csv", "README.md")
"""Files beside the weights that only describe them; the digest of the weights leaves them out."""


def embedded_judge() -> Path:
    """The folder of the embedded judge.

    Raises:
        WeightsError: A file is missing.
    """
    return checked_folder(embedded_weights("judge"), ("model.safetensors", "config.json", "tokenizer.json"))
