"""Folders whose files are named by a pattern, and files that hold several images."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from image_folders import CAT, DOG, WANTED, save
from PIL import Image, ImageColor
from pydantic import ValidationError

from evalharness.errors import ConfigError, SampleError
from evalharness.models.folder import Folder


def patterned(path: Path, pattern: str, **more: object) -> Folder:
    return Folder(Folder.Settings.model_validate({"path": path, "pattern": pattern, **more}))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{item}_{sample}.png", "{item}_{index}.png"),
        ("{item}_{sample}.png", "{short}_{index:03d}.png"),
        ("seed{sample}/{item}.png", "seed{seed}/{item}.png"),
        ("{item}/{item}-{sample}.png", "{item}/{item}-{index}.png"),
        ("{prompt}/[{sample}].png", "{prompt}/[{index}].png"),
    ],
)
def test_a_pattern_tells_whose_an_image_is(tmp_path: Path, pattern: str, name: str) -> None:
    names = [
        name.format(item=item.id, short=int(item.id), index=index, seed=100 + index, prompt=item.prompt)
        for item, index in WANTED
    ]
    for file in names:
        save(tmp_path / file)
    mine = patterned(tmp_path, pattern)
    assert [mine.locate(*pair).name for pair in WANTED] == names
    assert mine.survey(WANTED, WANTED) == []
    save(tmp_path / "overview.png")
    assert mine.survey([*WANTED, (CAT, 2)], WANTED) == [
        "1 of 5 images missing: item 00001 index 2",
        "1 extra images that no prompt asks for: overview.png",
    ]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pattern": "{sample}.png"}, r"needs \{item\} or \{prompt\}"),
        ({"pattern": "{itme}.png"}, r"no field \{itme\}; there are \{item\}, \{prompt\}, \{sample\}"),
        ({"pattern": "../{item}.png"}, "below the folder"),
        ({"pattern": "/tmp/{item}.png"}, "below the folder"),
        ({"pattern": "{item}.png", "manifest": "x.csv"}, "give one of the two"),
        ({"grid": "4"}, "a grid is COLUMNSxROWS, such as 2x2, got '4'"),
        ({"grid": "0x2"}, "COLUMNSxROWS"),
        ({"grid_border": 2}, "needs a grid"),
    ],
)
def test_wrong_patterns_and_grids(tmp_path: Path, keys: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Folder.Settings.model_validate({"path": tmp_path, **keys})


def test_a_pattern_that_no_file_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no images with names like \{item\}\.png"):
        patterned(tmp_path, "{item}.png").locate(DOG, 0)
    with pytest.raises(ConfigError, match=r"cannot read the folder of images .*nowhere"):
        patterned(tmp_path / "nowhere", "{item}.png").locate(DOG, 0)


@pytest.mark.parametrize("border", [0, 2])
def test_a_grid_is_cut_row_by_row(tmp_path: Path, border: int) -> None:
    colors = ["red", "green", "blue", "white", "black", "yellow"]
    sheet = Image.new("RGB", (3 * 6 + 4 * border, 2 * 4 + 3 * border), "gray")
    for place, color in enumerate(colors):
        left, top = (border + at * (side + border) for at, side in ((place % 3, 6), (place // 3, 4)))
        sheet.paste(color, (left, top, left + 6, top + 4))
    sheet.save(tmp_path / "00000.png")
    mine = patterned(tmp_path, "{item}.png", grid="3x2", grid_border=border)
    wanted = [(DOG, index) for index in range(6)]
    sources = [mine.locate(*pair) for pair in wanted]
    assert len({source.digest for source in sources}) == 6
    for data, color in zip(mine.fetch(sources), colors, strict=True):
        image = Image.open(io.BytesIO(data))
        assert (image.size, image.getcolors()) == ((6, 4), [(24, ImageColor.getrgb(color))])
    assert mine.survey(wanted, wanted) == []
    other = patterned(tmp_path, "{item}.png", grid="2x3", grid_border=border)
    assert other.locate(DOG, 1).digest != sources[1].digest, "other cuts are other images"
    assert mine.survey([*wanted, (DOG, 6)], wanted)[0] == "1 of 7 images missing: item 00000 index 1"


def test_a_grid_of_unequal_images_is_unreadable(tmp_path: Path) -> None:
    save(tmp_path / "00000.png", size=(9, 9))
    mine = patterned(tmp_path, "{item}.png", grid="2x2")
    with pytest.raises(
        SampleError, match=r"unreadable image: 00000\.png: 9 × 9 pixels are not 2 × 2 images of one size"
    ):
        mine.fetch([mine.locate(DOG, 0)])
