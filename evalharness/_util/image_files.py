"""Converts image files to PNG files of upright RGB images, and finds blank ones."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL import ExifTags, Image, ImageOps

from evalharness._util.regular_files import MEGAPIXELS, limit
from evalharness.errors import SampleError

T = TypeVar("T")
PNG_HEADER = b"\x89PNG\r\n\x1a\n"
FORMATS = ("PNG", "JPEG", "WEBP")
NOTES = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
"""Chunks of PNG files that do not change a pixel here: texts, and the profile of the screen."""
BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
"""Exceptions of Pillow for files that are not images, or incomplete."""


def decode_png(data: bytes, name: str = "the image", *, keep_transparency: bool = False) -> Image.Image:
    """The RGB image of a PNG file.

    Args:
        data: The bytes of the file.
        name: What a message calls it.
        keep_transparency: whether a transparent image becomes an RGBA image, for a caller that counts these.

    Raises:
        SampleError: It is no such file, or an incomplete one.
    """
    try:
        return _whole(data, partial(_decoded, keep_transparency=keep_transparency))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise SampleError(f"{name} cannot be read: {error}") from error


def upright_png(
    data: bytes, *, most_pixels: int | None = None, rewrite: bool = False, keep_transparency: bool = False
) -> bytes:
    """Convert an image file to a PNG file of an upright RGB image. Transparency is dropped: detectors do not see it.

    Args:
        data: the bytes of the file.
        most_pixels: limit on the size of the image, which is read from the header before the image is decoded; by
            default that of the environment variable ``EVALHARNESS_MAX_MEGAPIXELS``.
        rewrite: whether to encode even a file that is such a PNG already, so that only its pixels remain. Otherwise it
            is returned byte for byte.
        keep_transparency: whether a transparent image becomes an RGBA image, for a caller that counts these.

    Raises:
        one of BROKEN: the file is no image, is incomplete, or has more than ``most_pixels``.
    """
    read = partial(_upright, most_pixels=most_pixels, rewrite=rewrite, keep_transparency=keep_transparency)
    return _whole(data, read)


def _decoded(data: bytes, *, keep_transparency: bool) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        _require_few_pixels(image, None)
        return image.convert("RGBA" if keep_transparency and is_transparent(image) else "RGB")


def _upright(data: bytes, *, most_pixels: int | None, rewrite: bool, keep_transparency: bool) -> bytes:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        _require_few_pixels(image, most_pixels)
        # A phone's JPEG holds more pictures behind the first one: other sizes of it, or what lies behind its blur.
        if image.format != "MPO" and (frames := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"animated, with {frames} frames")
        image.load()
        if image.mode[0] in "IF":
            raise ValueError(f"mode {image.mode} has more than 8 bits a channel")
        if image.format == "PNG" and image.mode == "RGB" and not turned(image) and not rewrite:
            return data
        mode = "RGBA" if keep_transparency and is_transparent(image) else "RGB"
        return plain_png(ImageOps.exif_transpose(image).convert(mode))


def without_transparency(data: bytes) -> tuple[bytes, bool]:
    """A PNG file without its alpha channel, and whether a pixel was not opaque; any other file as it is."""
    try:
        return _whole(data, _opaque) or (data, False)
    except BROKEN:
        return data, False


def _opaque(data: bytes) -> tuple[bytes, bool] | None:
    """``None`` for a file that has no transparency anyway."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        if not image.has_transparency_data:
            return None
        return plain_png(image.convert("RGB")), is_transparent(image)


def plain_png(image: Image.Image) -> bytes:
    """A PNG file of the pixels alone: Pillow would write metadata of the old file, such as a colour profile."""
    buffer = io.BytesIO()
    Image.frombytes(image.mode, image.size, image.tobytes()).save(buffer, "PNG")
    return buffer.getvalue()


def _whole(data: bytes, read: Callable[[bytes], T]) -> T:
    """Read a picture; a PNG file that Pillow refuses because of its texts or its colour profile, without these."""
    try:
        return read(data)
    except BROKEN:
        small = _without_notes(data)
        if len(small) == len(data):
            raise
        return read(small)


def _without_notes(data: bytes) -> bytes:
    """A PNG file without texts and colour profile; any other file as it is."""
    if not data.startswith(PNG_HEADER):
        return data
    kept, start = [data[: len(PNG_HEADER)]], len(PNG_HEADER)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4])
        if data[start + 4 : start + 8] not in NOTES:
            kept.append(data[start:end])
        start = end
    return b"".join(kept)


def _require_few_pixels(image: Image.Image, most: int | None) -> None:
    width, height = image.size
    advice = "" if most is not None else f"; {MEGAPIXELS} allows more"
    allowed = limit(MEGAPIXELS) if most is None else most
    if width * height > allowed:
        raise ValueError(f"{width} × {height} pixels are more than {allowed}{advice}")


def turned(image: Image.Image) -> bool:
    """Whether EXIF says that the image has to be turned or mirrored."""
    return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)


def is_transparent(image: Image.Image) -> bool:
    """Whether a pixel is not opaque. An image is decoded only if it can have such pixels.

    >>> is_transparent(Image.new("RGBA", (1, 1), (255, 0, 0, 255))), is_transparent(Image.new("RGBA", (1, 1)))
    (False, True)
    """
    return image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def is_transparent_file(path: Path) -> bool:
    """Whether a pixel of an image file is not opaque; false for a file that cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return is_transparent(image)
    except BROKEN:
        return False


def png_size(path: Path) -> tuple[int, int]:
    """Width and height from the header of a PNG file; 0 × 0 if it is none."""
    with path.open("rb") as file:
        header = file.read(24)
    if not header.startswith(PNG_HEADER) or len(header) < 24:
        return 0, 0
    return int.from_bytes(header[16:20]), int.from_bytes(header[20:24])


def is_blank(path: Path) -> bool:
    """Whether all pixels of a PNG file have one colour; false for a file that cannot be read and for a single pixel.

    Few files are decoded: a blank image takes a hundredth of its bytes at most, however it is compressed.
    """
    try:
        width, height = png_size(path)
        if width * height <= 1 or path.stat().st_size > 1024 + 4 * width * height / 100:
            return False
        with Image.open(path, formats=["PNG"]) as image:
            return has_one_color(image)
    except BROKEN:
        return False


def has_one_color(image: Image.Image) -> bool:
    """Whether all pixels of an image have the same colour."""
    return all(low == high for low, high in image.convert("RGBA").getextrema())  # type: ignore[misc]


def png_bytes(image: Image.Image) -> bytes:
    """Encode an image as a PNG file of an RGB image."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()
