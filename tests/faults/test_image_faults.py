"""Image files that are not what they should be: each a failed sample with its reason, never a score, never a crash."""

from __future__ import annotations

import ast
import hashlib
import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from evalharness._util.image_files import upright_png
from evalharness.api import benchmark
from evalharness.api.executor import isolate
from evalharness.api.failure import Failure
from evalharness.errors import SampleError
from evalharness.execution.workers import FetchWorker, ScoreJob, ScoreWorker
from evalharness.generation.single_pass import SinglePass
from evalharness.models.folder import Folder
from evalharness.planning.plan import Job
from evalharness.types.item import Item
from evalharness.types.score import Score

ITEM = Item("00000", "a dog", "single_object", {})


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int = 60_000) -> bytes:
    """A PNG of a few kilobytes that says it has 3.6 thousand million pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10**6))
        + chunk(b"IEND", b"")
    )


def png(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (6, 4), 1).save(buffer, "PNG", **options)
    return buffer.getvalue()


def noise() -> bytes:
    buffer = io.BytesIO()
    Image.frombytes("RGB", (32, 32), hashlib.shake_256(b"noise").digest(32 * 32 * 3)).save(buffer, "PNG")
    return buffer.getvalue()


BAD = {
    "a decompression bomb": bomb(),
    "16 bits": png("I;16"),
    "animated": png(save_all=True, append_images=[Image.new("RGB", (6, 4), "red")], duration=10),
    "empty": b"",
    "torn": noise()[:1000],
    "a page of HTML": b"<html>not found</html>",
    "another format": b"GIF89a" + b"\0" * 50,
}


@pytest.mark.parametrize("kind", BAD)
def test_an_image_from_elsewhere_that_cannot_be_scored_is_a_failed_sample(kind: str, tmp_path: Path) -> None:
    samples = tmp_path / "00000" / "samples"
    samples.mkdir(parents=True)
    (samples / "0000.png").write_bytes(BAD[kind])
    (samples / "0001.png").write_bytes(png())
    model = Folder(Folder.Settings(path=tmp_path))
    jobs = [
        Job(str(index), "m", SinglePass(variant="single_pass"), ITEM.prompt, 0, model.locate(ITEM, index))
        for index in (0, 1)
    ]
    bad, good = isolate(FetchWorker(model), jobs)
    assert isinstance(bad, Failure) and "00000/samples/0000.png" in bad.reason
    assert not isinstance(good, Failure)
    assert good.image == png()


@pytest.mark.parametrize("kind", ["a decompression bomb", "empty", "torn", "a page of HTML", "another format"])
def test_a_damaged_image_never_reaches_a_scorer(kind: str) -> None:
    class Scorer(benchmark.Scorer):
        batch_size = 4

        def identity(self) -> dict[str, str]:
            return {}

        def score(self, images: list[Image.Image], items: list[Item]) -> list[Score]:
            return [Score(1.0) for _ in images]

    jobs = [ScoreJob(str(n), hashlib.sha256(data).hexdigest(), data, ITEM) for n, data in enumerate([BAD[kind], png()])]
    bad, good = isolate(ScoreWorker(Scorer()), jobs)  # type: ignore[arg-type]
    assert isinstance(bad, Failure) and bad.reason.startswith("the image cannot be read: ")
    assert good == Score(1.0)


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "L", "P"])
def test_other_colours_are_converted(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (6, 4), 1).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    with Image.open(io.BytesIO(upright_png(buffer.getvalue()))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (6, 4))


def test_sample_errors_are_one_line() -> None:
    def worker(jobs: list[Exception]) -> list[int]:
        raise jobs[0]

    failures = isolate(worker, [SampleError("two\nlines\x1b[2J"), ValueError("two\nlines")])  # type: ignore[arg-type]
    assert failures == [Failure("two lines\N{REPLACEMENT CHARACTER}[2J"), Failure("ValueError: two lines")]


def test_only_decoders_that_are_named_see_a_file() -> None:
    """Pillow reads fifty formats, one by starting Ghostscript: a file from elsewhere does not choose its decoder."""
    root = Path(__file__).parents[2]
    calls = [
        (path, node)
        for package in ("evalharness", "benchmarks")
        for path in (root / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open"
    ]
    assert len(calls) > 5
    unnamed = [f"{path}:{node.lineno}" for path, node in calls if "formats" not in {word.arg for word in node.keywords}]
    assert not unnamed
