"""The files of a published checkpoint folder, and the digest over those that determine its outputs."""

from __future__ import annotations

import hashlib
from pathlib import Path

from evalharness._util.file_digests import sha256_sums
from evalharness.assets.weights_folder import checked_folder
from evalharness.errors import WeightsError

NETWORK, AUTOENCODER = "ema.safetensors", "ae.safetensors"
REQUIRED = (NETWORK, AUTOENCODER, "llm_config.json", "vit_config.json", "tokenizer_config.json")
VOCABULARY = (("tokenizer.json",), ("vocab.json", "merges.txt"))
"""Alternative sets of files of the tokenizer."""


def weights_digest(folder: Path) -> str:
    """One SHA-256 over the names and digests of all files that are read.

    Raises:
        WeightsError: the folder or a file is missing.
    """
    checked_folder(folder, REQUIRED)
    if not any(all((folder / name).is_file() for name in names) for names in VOCABULARY):
        raise WeightsError(f"the weights folder {folder} lacks tokenizer.json, or vocab.json and merges.txt")
    names = {*REQUIRED, *(name for names in VOCABULARY for name in names if (folder / name).is_file())}
    return hashlib.sha256(sha256_sums(folder, names).encode()).hexdigest()
