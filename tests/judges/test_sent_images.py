from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from evalharness._util.image_files import png_bytes
from evalharness.errors import SampleError
from evalharness.judges.sent_images import ImageFormat, converted


def message(image: Image.Image) -> dict[str, Any]:
    url = "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode()
    shown = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    return {"role": "user", "content": [{"type": "text", "text": "What?"}, shown]}


def sent(image: Image.Image, image_format: ImageFormat, max_side: int | None) -> tuple[str, Image.Image]:
    system = {"role": "system", "content": "Look."}
    first, second = converted([system, message(image)], image_format, max_side)
    assert first == system
    assert second["content"][0] == {"type": "text", "text": "What?"}
    assert second["content"][1]["image_url"]["detail"] == "high"
    header, _, data = second["content"][1]["image_url"]["url"].partition(";base64,")
    return header, Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [
        ((640, 480), None, (640, 480)),
        ((640, 480), 640, (640, 480)),
        ((640, 480), 320, (320, 240)),
        ((480, 640), 320, (240, 320)),
        ((1000, 1), 100, (100, 1)),
    ],
)
@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_format_and_size(
    size: tuple[int, int], max_side: int | None, expected: tuple[int, int], image_format: ImageFormat
) -> None:
    header, image = sent(Image.linear_gradient("L").resize(size), image_format, max_side)
    assert header == f"data:image/{image_format}"
    assert (image.format, image.size) == (image_format.upper(), expected)


def test_an_image_that_fits_is_the_file_itself() -> None:
    original = message(Image.new("RGB", (30, 20), "red"))
    assert converted([original], "png", 30) == [original]


def test_colours_stay() -> None:
    _, image = sent(Image.new("RGB", (300, 200), (200, 30, 90)), "jpeg", 100)
    pixel = image.getpixel((50, 33))
    assert isinstance(pixel, tuple)
    assert all(abs(got - wanted) <= 3 for got, wanted in zip(pixel, (200, 30, 90), strict=True))


def test_what_is_no_image() -> None:
    broken = message(Image.new("RGB", (4, 4)))
    broken["content"][1]["image_url"]["url"] = "data:image/png;base64,AAAA"
    with pytest.raises(SampleError, match="the image cannot be read"):
        converted([broken], "jpeg", None)
