from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_folders import CAT, DOG, WANTED, save
from PIL import Image

from evalharness._util.image_files import upright_png
from evalharness.api.model import ImageModel, ImageSource, Interleaver
from evalharness.errors import ConfigError, SampleError
from evalharness.models.folder import Folder
from evalharness.models.folder_index import read_layout
from evalharness.types.item import Item


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
    save(samples / "first.png")
    save(official / "00009" / "samples" / "0000.png")
    save(official / "00001" / "samples" / "0000.png", size=(9, 9), turned=6)
    (official / "00001" / "samples" / "0001.png").write_bytes(b"GIF89a")
    assert folder(official).survey(WANTED, WANTED) == [
        "1 of 4 images missing: 00000/samples/0001.png",
        "2 extra images that no prompt asks for: 00000/samples/first.png, 00009/samples/0000.png",
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


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../x.png", "a\0b"])
def test_a_path_that_leads_out_is_refused(flat: Path, name: str) -> None:
    manifest = flat / "list.jsonl"
    manifest.write_text(JSONL + "\n" + json.dumps({"file": name, "item": "00009"}))
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
    with pytest.raises(
        ConfigError, match=r"holds no NNNNN/samples/NUMBER\.png and no ID\.png; .*'pattern' .* or a 'manifest'"
    ):
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
    for name in ("1.jpg", "1.png", "01.png", "002.jpg"):
        save(tmp_path / name)
    mine = folder(tmp_path)
    assert [mine.locate(item, 0).name for item in RIDDLES[:2]] == ["1.png", "002.jpg"]
    wanted = [(item, 0) for item in RIDDLES[:2]]
    assert mine.survey(wanted, wanted) == [
        "1 more images of these prompts than the sweep file's 'samples' asks for: 01.png",
        "1 extra images that no prompt asks for: 1.jpg",
    ]


@pytest.mark.parametrize("digits", [1, 3, 4, 7])
def test_names_may_begin_with_zeros(tmp_path: Path, digits: int) -> None:
    for item in RIDDLES:
        save(tmp_path / f"{int(item.id):0{digits}d}.png")
    wanted = [(item, 0) for item in RIDDLES]
    assert [int(folder(tmp_path).locate(*pair).name.removesuffix(".png")) for pair in wanted] == [1, 2, 10]
    assert folder(tmp_path).survey(wanted, wanted) == []


def test_folders_of_samples_come_first(official: Path) -> None:
    before = located(official)
    save(official / "00000.png")
    assert located(official) == before


# --- as the published programs read folders ---


def numbered(root: Path, names: Iterable[str], item: Item = DOG) -> Path:
    for name in names:
        save(root / item.id / "samples" / name)
    return root


def names_of(root: Path, count: int, item: Item = DOG) -> list[str]:
    return [folder(root).locate(item, index).name.removeprefix(f"{item.id}/samples/") for index in range(count)]


@pytest.mark.parametrize(
    "names",
    [["1.png", "2.png", "3.png"], ["00042.png", "1337.png", "99999999999.png"], ["0000.png", "2.png", "10.png"]],
)
def test_any_numbering_is_an_order(tmp_path: Path, names: list[str]) -> None:
    assert names_of(numbered(tmp_path, names), 3) == names
    assert folder(tmp_path).survey([(DOG, index) for index in range(3)], [(DOG, index) for index in range(3)]) == []


def test_numbers_from_0_leave_a_gap_where_an_image_is_missing(tmp_path: Path) -> None:
    numbered(tmp_path, ["0000.png", "0002.png"])
    numbered(tmp_path, ["0000.png", "0001.png", "0002.png"], CAT)
    assert [bool(folder(tmp_path).locate(DOG, index).digest) for index in range(3)] == [True, False, True]
    assert names_of(tmp_path, 3) == ["0000.png", "0001.png", "0002.png"]


@settings(max_examples=40)
@given(st.lists(st.sets(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=4))
def test_every_numbered_file_is_an_image_once(numbers: list[set[int]]) -> None:
    """The published program scores each file whose name is a number; so do as many indices as there are numbers."""
    with tempfile.TemporaryDirectory() as root:
        for item, of_item in enumerate(numbers):
            for number in of_item:
                path = Path(root, f"{item:05d}", "samples", f"{number:04d}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        entries = read_layout(Path(root)).entries
        assert len({(entry.item, entry.index) for entry in entries}) == len(entries) == sum(map(len, numbers))
        most = max(map(len, numbers))
        assert all(0 <= entry.index < most for entry in entries)
        for item, of_item in enumerate(numbers):
            mine = sorted((entry for entry in entries if entry.item == f"{item:05d}"), key=lambda entry: entry.index)
            assert [int(Path(entry.name).stem) for entry in mine] == sorted(of_item)


def test_more_images_than_the_sweep_asks_for_are_said(tmp_path: Path) -> None:
    numbered(tmp_path, [f"{index}.png" for index in range(1, 4)])
    wanted = [(DOG, 0), (DOG, 1)]
    assert folder(tmp_path).survey(wanted, wanted) == [
        "1 more images of these prompts than the sweep file's 'samples' asks for: 00000/samples/3.png"
    ]
    mine = folder(tmp_path)
    with pytest.raises(SampleError, match="missing image: item 00000 index 3"):
        mine.fetch([mine.locate(DOG, 3)])


def test_a_png_wins_over_a_jpeg_of_the_same_name(tmp_path: Path) -> None:
    numbered(tmp_path, ["0000.jpg", "0000.png", "0001.jpeg", "0001.webp", "0001.png"])
    assert names_of(tmp_path, 2) == ["0000.png", "0001.png"]
    (tmp_path / DOG.id / "samples" / "0001.png").unlink()
    assert names_of(tmp_path, 2) == ["0000.png", "0001.jpeg"]


def test_files_of_the_system_are_nobody_s_images(official: Path, flat: Path) -> None:
    for parent in (official / "00000" / "samples", official, flat, flat / "deep"):
        for name in ("._0000.png", "._a.jpg", "Thumbs.db", ".DS_Store", "desktop.ini"):
            (parent / name).write_bytes(b"x")
    save(flat / ".ipynb_checkpoints" / "a.png")
    assert folder(official).survey(WANTED, WANTED) == []
    manifest = flat.parent / "list.jsonl"
    manifest.write_text(JSONL)
    assert folder(flat, manifest).survey(WANTED, WANTED) == []
    assert Folder(Folder.Settings(path=flat, pattern="{item}.png")).locate(DOG, 0).digest == ""


def test_links_are_followed_wherever_they_lead(official: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Downloads of a hub are folders of links to a store of files."""
    root = tmp_path_factory.mktemp("links")
    (root / "folders").mkdir()
    (root / "folders" / "00000").symlink_to(official / "00000")
    (root / "folders" / "00001" / "samples").mkdir(parents=True)
    for name in ("0000.png", "0001.png"):
        (root / "folders" / "00001" / "samples" / name).symlink_to(official / "00001" / "samples" / name)
    assert folder(root / "folders").survey(WANTED, WANTED) == []
    (root / "flat").mkdir()
    for number, item in enumerate(RIDDLES[:2]):
        (root / "flat" / f"{item.id}.png").symlink_to(official / "00000" / "samples" / f"000{number}.png")
    wanted = [(item, 0) for item in RIDDLES[:2]]
    assert folder(root / "flat").survey(wanted, wanted) == []
    (root / "list.jsonl").write_text(
        "\n".join(json.dumps({"file": f"{one.id}.png", "item": one.id}) for one, _ in wanted)
    )
    assert folder(root / "flat", root / "list.jsonl").survey(wanted, wanted) == []
    (root / "flat" / "3.png").symlink_to("3.png")
    assert folder(root / "flat").survey(wanted, wanted) == [], "a loop is no file"


def test_transparent_images_are_counted(official: Path) -> None:
    samples = official / "00000" / "samples"
    Image.new("RGBA", (6, 4), (255, 0, 0, 255)).save(samples / "0000.png")
    assert folder(official).survey(WANTED, WANTED) == [], "an opaque image with an alpha channel"
    half = Image.new("RGBA", (6, 4), (255, 0, 0, 255))
    half.putpixel((0, 0), (0, 0, 255, 254))
    half.save(samples / "0000.png")
    palette = Image.new("P", (6, 4))
    palette.putpalette([0, 0, 0, 255, 255, 255])
    palette.save(official / "00001" / "samples" / "0001.png", transparency=0)
    mine = folder(official)
    assert mine.survey(WANTED, WANTED) == [
        "2 transparent images, scored without their transparency, as published: "
        "00000/samples/0000.png, 00001/samples/0001.png"
    ]
    (data,) = mine.fetch([mine.locate(DOG, 0)])
    assert Image.open(io.BytesIO(data)).getpixel((0, 0)) == (0, 0, 255, 254), "whoever stores it counts it"
