"""Reads the images of prompts."""

from __future__ import annotations

import hashlib
import io

from PIL import Image

from evalharness._util.image_files import BROKEN, upright_png
from evalharness._util.regular_files import read_regular
from evalharness.errors import SampleError
from evalharness.types.item import PromptImage


def read(picture: PromptImage) -> bytes:
    """Read the file as a PNG file of an upright RGB image.

    Raises:
        SampleError: the file cannot be read, or has changed.
    """
    try:
        data = read_regular(picture.path)
    except OSError as error:
        raise SampleError(f"unreadable image: {picture.path.name}: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != picture.digest:
        raise SampleError(f"changed image: {picture.path.name} is not what it was when the run began; run again")
    try:
        return upright_png(data)
    except BROKEN as error:
        raise SampleError(f"unreadable image: {picture.path.name}: {error}") from None


def show(picture: PromptImage) -> Image.Image:
    """Read the file as an RGB image; raises what :func:`read` raises."""
    return Image.open(io.BytesIO(read(picture)), formats=["PNG"]).convert("RGB")
