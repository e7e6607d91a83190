"""The embedded Mask2Former and CLIP: they load as any checkpoint does, and GenEval with them tells right from wrong."""

from __future__ import annotations

import json
import random
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from evalharness.benchmarks.geneval.prompts import generate
from evalharness.miniature.world import scenes
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES, Scene, Thing, render, tile
from evalharness.miniature.world.board import mask as mask_of

WEIGHTS = Path(scenes.__file__).parents[1] / "weights"


def card(name: str) -> dict[str, Any]:
    return json.loads((WEIGHTS / name / "card.json").read_text())


def test_folders_are_small_and_hold_no_paths() -> None:
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 20_000_000
    for file in files:
        if file.suffix == ".json":
            assert str(Path.home()) not in file.read_text()
            assert "/work" not in file.read_text()


def test_detector_is_plain_transformers(tmp_path: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, Mask2FormerForUniversalSegmentation

    folder = shutil.copytree(WEIGHTS / "detector", tmp_path / "elsewhere")
    model, info = Mask2FormerForUniversalSegmentation.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert tuple(model.config.id2label.values()) == CLASSES
    processor = AutoImageProcessor.from_pretrained(folder)
    scene = (Thing("dog", "red", 0), Thing("dog", None, 5), Thing("bus", "blue", 7))
    inputs = processor(render(scene), return_tensors="pt")
    assert inputs["pixel_values"].shape == (1, 3, 128, 128)
    with torch.inference_mode():
        out = model.eval()(pixel_values=inputs["pixel_values"])
    scores, labels = out.class_queries_logits.softmax(-1)[0, :, :-1].max(-1)
    detected = {(CLASSES[label], place) for place, label in enumerate(labels.tolist()) if scores[place] > 0.9}
    assert detected == {(thing.name, thing.cell) for thing in scene}
    masks = torch.nn.functional.interpolate(out.masks_queries_logits, size=(128, 128), mode="bilinear")[0] > 0
    for thing in scene:
        true, got = torch.from_numpy(mask_of(thing)), masks[thing.cell]
        assert (true & got).sum() / (true | got).sum() > 0.75


def test_clip_is_plain_open_clip(tmp_path: Path) -> None:
    import open_clip
    import torch
    from PIL import Image

    folder = shutil.copytree(WEIGHTS / "clip", tmp_path / "elsewhere")
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    texts = tokenizer([f"a photo of a {color}-colored traffic light" for color in COLOR_NAMES])
    assert not (texts == 1).any(), "words that the tokenizer does not know"
    pixels = torch.stack([preprocess(Image.fromarray(tile("traffic light", color))) for color in COLOR_NAMES])
    with torch.inference_mode():
        similar = model.encode_image(pixels, normalize=True) @ model.encode_text(texts, normalize=True).T
    assert (similar.argmax(1) == torch.arange(10)).float().mean() >= 0.8


@pytest.mark.slow
def test_weights_know_the_icons_as_they_are() -> None:
    assert card("detector")["bank"] == card("clip")["bank"] == card("unified")["bank"] == bank().digest


@pytest.mark.slow
def test_geneval_tells_right_from_wrong() -> None:
    lines = generate()
    assert len(lines) == 553
    rng = random.Random(0)
    right = overall(lines, [scenes.right(line, rng) for line in lines])
    assert right >= 0.97
    assert overall(lines, [scenes.wrong(line, rng)[0] for line in lines]) <= 0.03


def overall(lines: list[dict[str, Any]], drawn: list[Scene]) -> float:
    """GenEval's overall score of scenes: the mean of the six tags."""
    from evalharness.benchmarks.geneval.benchmark import GenEval
    from evalharness.types.item import Item

    items = [Item(f"{i:05d}", line["prompt"], line["tag"], line) for i, line in enumerate(lines)]
    scorer = GenEval(GenEval.Settings(batch_size=32)).scorer()
    by_tag: dict[str, list[float]] = defaultdict(list)
    for item, score in zip(items, scorer.score([render(scene) for scene in drawn], items), strict=True):
        by_tag[item.category].append(score.value)
    return sum(sum(values) / len(values) for values in by_tag.values()) / len(by_tag)
