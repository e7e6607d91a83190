"""The images in a question, for judges that look at them themselves."""

from __future__ import annotations

import base64
import binascii
import io

from PIL import Image

from evalharness.errors import SampleError

PREFIX = "data:image/png;base64,"


def shown(url: str) -> Image.Image:
    """The image of a data URL, RGB; SampleError if it is no PNG file."""
    try:
        data = base64.b64decode(url.removeprefix(PREFIX), validate=True)
        return Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")
    except (binascii.Error, OSError, Image.DecompressionBombError) as error:
        raise SampleError(f"the image cannot be read: {error}") from error
