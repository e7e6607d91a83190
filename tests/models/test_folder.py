from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from evalharness._util.image_files import upright_png
from evalharness.api.model import ImageModel, ImageSource, Interleaver
from evalharness.errors import ConfigError, SampleError
from evalharness.models.folder import Folder
from evalharness.models.folder_index import read_layout
from evalharness.types.item import Item

DOG = Item("00000", "a photo of a dog", "single_object", {})
CAT = Item("00001", "a photo of a cat", "single_object", {})
WANTED = [(item, index) for item in (DOG, CAT) for index in (0, 1)]


def save(path: Path, color: str = "red", size: tuple[int, int] = (6, 4), turned: int | None = None) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if turned:
        exif[0x0112] = turned
    Image.new("RGB", size, color).save(path, exif=exif)
    return path.read_bytes()


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Two prompts with two images each."""
    for item in (DOG, CAT):
        for index in (0, 1):
            save(tmp_path / item.id / "samples" / f"{index:04d}.png", ("red", "blue")[index])
        (tmp_path / item.id / "metadata.jsonl").write_text(json.dumps({"tag": "x", "prompt": item.prompt}))
        save(tmp_path / item.id / "grid.png")
    return tmp_path


def folder(path: Path, manifest: Path | None = None) -> Folder:
    return Folder(Folder.Settings(path=path, manifest=manifest))


def located(path: Path, item: Item = DOG, index: int = 0) -> str:
    return folder(path).locate(item, index).name


def test_it_fetches_and_neither_draws_nor_writes(official: Path) -> None:
    mine: ImageSource = folder(official)
    assert isinstance(mine, ImageSource)
    assert not isinstance(mine, ImageModel | Interleaver)
    assert mine.identity() == {"name": "folder"}


def test_an_upright_png_is_kept_byte_for_byte(official: Path) -> None:
    mine = folder(official)
    assert mine.fetch([mine.locate(*pair) for pair in WANTED]) == [
        (official / item.id / "samples" / f"{index:04d}.png").read_bytes() for item, index in WANTED
    ]
    assert mine.survey(WANTED, WANTED) == []


def test_a_changed_image_has_another_digest(official: Path) -> None:
    before = [folder(official).locate(*pair) for pair in WANTED]
    save(official / "00000" / "samples" / "0001.png", "green", (8, 8))
    after = [folder(official).locate(*pair) for pair in WANTED]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True, True]
    with pytest.raises(SampleError, match=r"changed image: 00000/samples/0001\.png is not what it was"):
        folder(official).fetch([before[1]])


def test_the_prompt_says_whose_images_they_are(official: Path) -> None:
    (official / "00000").rename(official / "00007")
    assert located(official) == "00007/samples/0000.png"
    (official / "00007" / "metadata.jsonl").write_text(json.dumps({"prompt": "A noble dog, at dusk."}))
    (official / "00007").rename(official / "00000")
    mine = folder(official)
    assert not mine.locate(DOG, 0).digest, "images of a rewritten prompt are none of the original one"
    assert mine.survey(WANTED, WANTED) == [
        "2 of 4 images missing: 00000/samples/0000.png, 00000/samples/0001.png",
        "2 extra images that no prompt asks for: 00000/samples/0000.png, 00000/samples/0001.png",
        "1 prompts of the folder that the benchmark does not have: 'A noble dog, at dusk.'",
    ]
    (official / "00000" / "metadata.jsonl").unlink()
    assert located(official) == "00000/samples/0000.png"


def test_one_prompt_twice_goes_by_the_number(official: Path) -> None:
    (official / "00001" / "metadata.jsonl").write_text(json.dumps({"prompt": DOG.prompt}))
    assert located(official, DOG) == "00000/samples/0000.png"
    assert located(official, Item("00001", DOG.prompt, "", {})) == "00001/samples/0000.png"


def test_all_that_is_wrong_is_said(official: Path) -> None:
    samples = official / "00000" / "samples"
    (samples / "0001.png").unlink()
    save(samples / "0002.png")
    save(samples / "first.png")
    save(official / "00001" / "samples" / "0000.png", size=(9, 9), turned=6)
    (official / "00001" / "samples" / "0001.png").write_bytes(b"GIF89a")
    assert folder(official).survey(WANTED, WANTED) == [
        "1 of 4 images missing: 00000/samples/0001.png",
        "2 extra images that no prompt asks for: 00000/samples/0002.png, 00000/samples/first.png",
        "1 files that are no images: 00001/samples/0001.png",
        "images of 2 sizes: 6 × 4: 1; 9 × 9: 1 (such as 00001/samples/0000.png)",
        "1 images turned upright by EXIF: 00001/samples/0000.png",
    ]
    some = [(DOG, 0)]
    assert not any("00001" in line for line in folder(official).survey(some, WANTED)), "a smaller run has no extra ones"


def test_what_cannot_be_fetched(official: Path) -> None:
    samples = official / "00000" / "samples"
    whole = save(samples / "0000.png", size=(64, 64))
    (samples / "0000.png").write_bytes(whole[: len(whole) - 30])
    mine = folder(official)
    with pytest.raises(SampleError, match=r"unreadable image: 00000/samples/0000\.png: "):
        mine.fetch([mine.locate(DOG, 0)])
    with pytest.raises(SampleError, match=r"missing image: 00000/samples/0007\.png"):
        mine.fetch([mine.locate(DOG, 7)])


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_exif_turns_the_image(tmp_path: Path, suffix: str) -> None:
    data = save(tmp_path / f"x.{suffix}", size=(32, 16), turned=6)
    with Image.open(io.BytesIO(upright_png(data))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (16, 32))
        assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK", "I;16"])
def test_modes(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (4, 4), 1).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    if mode == "I;16":
        with pytest.raises(ValueError, match="more than 8 bits"):
            upright_png(buffer.getvalue())
        return
    with Image.open(io.BytesIO(upright_png(buffer.getvalue()))) as image:
        assert image.mode == "RGB"


# --- manifests ---


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "c.png", "deep/d.png"):
        save(tmp_path / "images" / name, "red", (4, 4))
    return tmp_path / "images"


CSV = f"""\
file,item,prompt,index
a.png,00000,,0
b.png,00000,,1
c.png,,{CAT.prompt},0
deep/d.png,00001,{CAT.prompt},1
"""
JSONL = "\n".join(
    json.dumps(row)
    for row in (
        {"file": "a.png", "item": "00000"},
        {"file": "b.png", "item": "00000", "index": 1},
        {"file": "c.png", "prompt": CAT.prompt},
        {"file": "deep/d.png", "prompt": CAT.prompt, "item": "00001", "index": 1},
    )
)


@pytest.mark.parametrize(("name", "text"), [("list.csv", CSV), ("list.jsonl", JSONL)])
def test_a_manifest_names_the_files(flat: Path, name: str, text: str) -> None:
    manifest = flat.parent / name
    manifest.write_text(text)
    mine = folder(flat, manifest)
    assert [mine.locate(*pair).name for pair in WANTED] == ["a.png", "b.png", "c.png", "deep/d.png"]
    assert mine.survey(WANTED, WANTED) == []
    save(flat / "e.png", size=(4, 4))
    (flat / "a.png").unlink()
    assert folder(flat, manifest).survey([*WANTED, (DOG, 2)], WANTED) == [
        f"2 of 5 images missing: a.png, item 00000 index 2 of {name}",
        "1 extra images that no prompt asks for: e.png",
    ]


def test_a_row_with_another_prompt_is_not_taken(flat: Path) -> None:
    manifest = flat / "list.jsonl"
    manifest.write_text(json.dumps({"file": "a.png", "item": "00000", "prompt": "A noble dog."}))
    assert not folder(flat, manifest).locate(DOG, 0).digest


def link(flat: Path) -> str:
    save(flat.parent / "secret.png")
    (flat / "link.png").symlink_to(flat.parent / "secret.png")
    return "link.png"


@pytest.mark.parametrize(
    "name", [lambda flat: "../secret.png", lambda flat: "/etc/passwd", lambda flat: "a/../../x.png", link,
             lambda flat: "a\0b"]
)  # fmt: skip
def test_a_path_that_leads_out_is_refused(flat: Path, name: Callable[[Path], str]) -> None:
    manifest = flat / "list.jsonl"
    manifest.write_text(JSONL + "\n" + json.dumps({"file": name(flat), "item": "00009"}))
    with pytest.raises(ConfigError, match=r"list\.jsonl line 5: '.*' leads out of .*images; only files below"):
        folder(flat, manifest).locate(DOG, 0)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.jsonl", '{"file": "a.png", "item": "0"}\n{"file": ', "line 2 is not JSON"),
        ("m.jsonl", "[1]", "line 1: not a JSON object"),
        ("m.jsonl", '{"file": "a.png", "imte": "0"}', "line 1: unknown key 'imte'; did you mean 'item'"),
        ("m.jsonl", '{"file": "a.png"}', "line 1: an item or a prompt must say whose image it is"),
        ("m.jsonl", '{"item": "0"}', "line 1: key 'file' is missing"),
        ("m.jsonl", '{"file": "a.png", "item": "0", "index": -1}', "line 1: index: .* greater than or equal to 0"),
        ("m.jsonl", '{"file": "a", "item": "0"}\n\n{"file": "b", "item": "0"}', "line 3: .* are those of line 1"),
        ("m.jsonl", "\n", "names no images"),
        ("m.csv", "file,item\na.png,0,9\n", r"line 2: unknown key '\(more\)'"),
        ("m.csv", "file,item,index\na.png,0,x\n", "line 2: index: .* valid integer"),
        ("m.csv", "file,item\n" + "x" * 200_000, "after line 1 is not CSV"),
    ],
)
def test_wrong_manifests(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        folder(tmp_path, tmp_path / name).locate(DOG, 0)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the folder of images .*: No such file"):
        folder(tmp_path / "nowhere").locate(DOG, 0)
    with pytest.raises(ConfigError, match=r"holds no NNNNN/samples/NNNN\.png and no ID\.png; .* name a 'manifest'"):
        folder(tmp_path).locate(DOG, 0)
    with pytest.raises(ConfigError, match=r"cannot read .*m\.csv: No such file"):
        folder(tmp_path, tmp_path / "m.csv").locate(DOG, 0)
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8 text at byte 0"):
        folder(tmp_path, tmp_path / "m.csv").locate(DOG, 0)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"prompt": 3}'])
def test_wrong_metadata(official: Path, text: str) -> None:
    (official / "00001" / "metadata.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=r"00001/metadata\.jsonl"):
        folder(official).locate(DOG, 0)


# --- WISE's layout ---


RIDDLES = [Item(str(number), f"riddle {number}", "culture", {}) for number in (1, 2, 10)]


def test_files_named_by_the_item(tmp_path: Path) -> None:
    data = save(tmp_path / "1.png")
    save(tmp_path / "10.png", "blue")
    save(tmp_path / "11.png")
    save(tmp_path / "overview.png")
    save(tmp_path / "Results" / "2.png")
    mine = folder(tmp_path)
    assert [mine.locate(item, 0).name for item in RIDDLES] == ["1.png", "2.png", "10.png"]
    assert mine.fetch([mine.locate(RIDDLES[0], 0)]) == [data]
    wanted = [(item, 0) for item in RIDDLES]
    assert mine.survey(wanted, wanted) == [
        "1 of 3 images missing: 2.png",
        "2 extra images that no prompt asks for: 11.png, overview.png",
    ]
    with pytest.raises(SampleError, match="missing image: item 1 index 1"):
        mine.fetch([mine.locate(RIDDLES[0], 1)])


def test_a_number_is_an_item_once(tmp_path: Path) -> None:
    save(tmp_path / "1.jpg")
    save(tmp_path / "1.png")
    save(tmp_path / "01.png")
    assert [entry.name for entry in read_layout(tmp_path)] == ["01.png", "1.jpg"]


def test_folders_of_samples_come_first(official: Path) -> None:
    before = located(official)
    save(official / "00000.png")
    assert located(official) == before
