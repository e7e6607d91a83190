"""Images as they stand in a judge's prompt: data URLs."""

from __future__ import annotations

import base64
import binascii

from PIL import Image

from evalharness._util.image_files import decode_png
from evalharness.errors import SampleError

PREFIX = "data:image/png;base64,"


def decode_image(url: str) -> Image.Image:
    """The RGB image of a data URL.

    Raises:
        SampleError: The URL does not hold a PNG file.
    """
    try:
        data = base64.b64decode(url.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SampleError(f"the image cannot be read: {error}") from error
    return decode_png(data)
