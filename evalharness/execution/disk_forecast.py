"""Forecasts the disk space that the images of a run will take, and checks that it is free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from evalharness._util.filesystems import bytes_text, free_bytes
from evalharness._util.hashing import digest
from evalharness.errors import ConfigError
from evalharness.execution.most_drawings import most_drawings
from evalharness.planning.image_sizes import BYTES_PER_PIXEL, canvas_pixels
from evalharness.planning.plan import Job, Plan
from evalharness.store.store import Store

BLOCK = 4096
"""Bytes by which a file grows on common file systems."""
SAMPLE = 100
"""Number of stored trajectories of a model whose images are measured."""
CHANNELS = 3


@dataclass(frozen=True, slots=True)
class DiskForecast:
    """The disk space of the images that a model will draw.

    Attributes:
        images: Number of images, at most.
        expected: Bytes of an image: the mean of those in the store, or else what a photograph of this size takes.
        most: Bytes of an image whose pixels cannot be compressed.
        measured: Whether the store has images of the model. Otherwise the size is that of its canvas, and 0 if it has
            none.
    """

    model: str
    images: int
    expected: float
    most: int
    measured: bool


def disk_forecasts(plan: Plan, store: Store, jobs: Iterable[Job]) -> list[DiskForecast]:
    """Forecast the disk space for the images of jobs, by model."""
    images: Counter[str] = Counter()
    for job, count in most_drawings(plan, store, list(jobs)):
        images[job.model] += count
    return [_forecast(plan, store, alias, count) for alias, count in images.items()]


def describe(forecasts: Iterable[DiskForecast]) -> Iterator[str]:
    """A line for each model."""
    for forecast in forecasts:
        line = f"images to store of {forecast.model}: at most {forecast.images}"
        if not forecast.expected:
            yield f"{line}, of unknown size until some are drawn"
            continue
        source = "by those in the store" if forecast.measured else "by the pixels of its canvas"
        expected, most = (bytes_text(forecast.images * size) for size in (forecast.expected, forecast.most))
        yield f"{line}; about {expected} {source}, at most {most} if they cannot be compressed"


def require_space(plan: Plan, store: Store, jobs: Iterable[Job]) -> None:
    """Check that the images of jobs fit on the disk, where store or canvas tells how large they are.

    Raises:
        ConfigError: They do not.
    """
    needed = sum(forecast.images * forecast.expected for forecast in disk_forecasts(plan, store, jobs))
    free = free_bytes(store.path) if needed else 0
    if needed > free:
        raise ConfigError(
            f"{store.path}: {bytes_text(free)} are free, and the images to draw need about {bytes_text(needed)}; "
            "free some, choose another --store, or go on with --no-space-check"
        )


def _forecast(plan: Plan, store: Store, alias: str, count: int) -> DiskForecast:
    digests = store.trajectories.some_images(digest(dict(plan.models[alias])), SAMPLE)
    sizes = [_measure(store.images.path(image)) for image in digests]
    measured = [size for size in sizes if size is not None]
    canvas = canvas_pixels(plan.sweep.models[alias].build())
    pixels = max((pixels for _, pixels in measured), default=canvas)
    expected = sum(size for size, _ in measured) / len(measured) if measured else _on_disk(BYTES_PER_PIXEL * pixels)
    return DiskForecast(alias, count, expected, _on_disk(_uncompressed(pixels)) if pixels else 0, bool(measured))


def _measure(path: Path) -> tuple[int, int] | None:
    """Bytes on the disk and pixels of an image file; ``None`` if it is damaged or gone."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return _on_disk(path.stat().st_size), image.width * image.height
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _uncompressed(pixels: int) -> int:
    """Bytes of a PNG file whose pixels are stored as they are, at most.

    A row has a byte more, which is no more than a byte for each pixel; the file and its blocks have headers.
    """
    raw = pixels * (CHANNELS + 1)
    return raw + raw // 1000 + 1024


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
