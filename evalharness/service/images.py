"""Reads the images of a request."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass

from PIL import Image

from evalharness._util.image_files import BROKEN, FORMATS, is_transparent, upright_png
from evalharness._util.text import one_line


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image of a request.

    Attributes:
        png: It as an upright RGB image, a PNG file; empty if it cannot be read.
        error: Why it cannot be read.
        warning: What is not scored of it.
    """

    png: bytes = b""
    error: str = ""
    warning: str = ""


def read_image(data: bytes | str) -> ReadImage:
    """Read a PNG, JPEG or WebP file, as bytes or in base64, also as a ``data:`` URL."""
    try:
        content = _decoded(data) if isinstance(data, str) else data
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            transparent = image.has_transparency_data
        png = upright_png(content)
        if transparent:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                transparent = is_transparent(image)
    except binascii.Error as error:
        return ReadImage(error=f"the image is not base64: {error}")
    except BROKEN as error:
        return ReadImage(error=one_line(f"the image cannot be read: {error}", 300))
    return ReadImage(png, warning="the image is transparent; scored without its transparency" if transparent else "")


def _decoded(text: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    return base64.b64decode("".join(text.split()), validate=True)
