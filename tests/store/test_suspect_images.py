"""Images that a working model hardly draws are counted for each arm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import number_plugins
import numpy as np
import pytest
from mock_sweeps import SINGLE, run_without_report
from PIL import Image
from plugin_packages import InstallPlugins

from evalharness._util.image_files import is_blank, png_bytes
from evalharness.cli import main, sweep
from evalharness.store.suspect_images import SuspectImages

Write = Callable[[str], Path]


def counts(file: Path, out: Path) -> list[SuspectImages]:
    with run_without_report(file, out) as results:
        return results.data.suspect_images


@pytest.mark.parametrize("size", [(2, 1), (8, 8), (96, 96), (1024, 768), (3000, 2000)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1"])
@pytest.mark.parametrize("level", [1, 9])
def test_an_image_of_one_colour_is_blank(tmp_path: Path, size: tuple[int, int], mode: str, level: int) -> None:
    image = Image.new(mode, size)
    image.save(tmp_path / "blank.png", compress_level=level)
    assert is_blank(tmp_path / "blank.png")
    other = image.convert("RGBA")
    other.putpixel((size[0] - 1, size[1] - 1), (0, 0, 1, 0))
    other.convert("RGB").save(tmp_path / "drawn.png", compress_level=level)
    assert not is_blank(tmp_path / "drawn.png")


def test_noise_a_single_pixel_and_no_image_are_not_blank(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name, data in (
        ("noise", png_bytes(Image.fromarray(pixels))),
        ("pixel", png_bytes(Image.new("RGB", (1, 1)))),
        ("cut", png_bytes(Image.new("RGB", (64, 64)))[:60]),
        ("text", b"no image"),
    ):
        (tmp_path / name).write_bytes(data)
        assert not is_blank(tmp_path / name)
    assert not is_blank(tmp_path / "missing")


@pytest.mark.parametrize(
    ("images", "blank", "repeated", "lines"),
    [(12, 12, 0, 1), (12, 1, 0, 0), (12, 0, 12, 1), (12, 2, 2, 2), (1000, 10, 10, 0), (1000, 11, 10, 1), (0, 0, 0, 0)],
)
def test_more_than_one_in_a_hundred_is_warned_of(images: int, blank: int, repeated: int, lines: int) -> None:
    assert len(SuspectImages("arm", images, blank, repeated).warnings()) == lines
    assert len(SuspectImages("arm", images, blank, repeated, transparent=1).warnings()) == lines + 1


def test_a_run_and_its_report_warn(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], install_plugins: InstallPlugins
) -> None:
    install_plugins(**number_plugins.PLUGINS)
    for kind, counted, line in (
        ("drawn", SuspectImages("single", 6, 0, 0), None),
        ("blank", SuspectImages("single", 6, 6, 0), "single: 6 of 6 images are blank, all pixels of one colour."),
        ("same", SuspectImages("single", 6, 0, 6), "single: 6 of 6 images are the same file as that of another prompt"),
        ("one blank", SuspectImages("single", 6, 1, 0), None),
        ("clear", SuspectImages("single", 6, 0, 0, 6), "single: 6 of 6 images are transparent; scored without their"),
        ("one clear", SuspectImages("single", 6, 0, 0, 1), "single: 1 of 6 images are transparent; scored without"),
    ):
        text = SINGLE.replace("limit: 6", "prompts: [thing 0, thing 1, thing 2, thing 3, thing 4, thing 5]")
        file = sweep_file(text.replace("model: mock", f"model: {{name: numbers, image: {kind}}}"))
        out = tmp_path / kind.replace(" ", "-") / "x"
        assert sweep.main([str(file), "--out", str(out), "--quiet"]) == 0
        output = capsys.readouterr().out
        assert ("warning: " in output) == (line is not None)
        assert line is None or line in output
        assert line is None or line in (out / "index.html").read_text()
        assert counts(file, out) == [counted]
        modes = {Image.open(path).mode for path in (out.parent / "store" / "images").rglob("*.png")}
        assert modes == {"RGB"}, "what is judged, edited and shown has no transparency"
        assert main.main(["report", str(out)]) == 0
