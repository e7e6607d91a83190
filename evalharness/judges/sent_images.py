"""The images of a prompt as an endpoint is sent them: the PNG files as they are, smaller, or as JPEG."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from PIL import Image

from evalharness.judges.data_url import PREFIX, decode_image

ImageFormat = Literal["png", "jpeg"]
QUALITY = 95
"""Quality of JPEG files, of 100."""


def red_square() -> dict[str, Any]:
    """A part of a message that shows a red square."""
    image = Image.new("RGB", (64, 64), "red")
    return {"type": "image_url", "image_url": {"url": _data_url(image, "png")}}


def converted(
    messages: Sequence[Mapping[str, Any]], image_format: ImageFormat, max_side: int | None
) -> list[dict[str, Any]]:
    """Chat messages with their images in another format or size.

    Args:
        messages: Chat messages whose images are PNG files in data URLs.
        image_format: The format that is sent.
        max_side: The longest side that is sent, in pixels; larger images are scaled down. ``None`` for no limit.

    Raises:
        SampleError: An image cannot be read.
    """
    return [{**message, "content": _content(message["content"], image_format, max_side)} for message in messages]


def _content(content: Any, image_format: ImageFormat, max_side: int | None) -> Any:
    if isinstance(content, str):
        return content
    return [_part(part, image_format, max_side) if part.get("type") == "image_url" else part for part in content]


def _part(part: Mapping[str, Any], image_format: ImageFormat, max_side: int | None) -> Mapping[str, Any]:
    url = part["image_url"]["url"]
    if not url.startswith(PREFIX):
        return part
    image = decode_image(url)
    scale = 1.0 if max_side is None else min(1.0, max_side / max(image.size))
    if scale == 1 and image_format == "png":
        return part
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return {**part, "image_url": {**part["image_url"], "url": _data_url(image, image_format)}}


def _data_url(image: Image.Image, image_format: ImageFormat) -> str:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **({"quality": QUALITY} if image_format == "jpeg" else {}))
    return f"data:image/{image_format};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
