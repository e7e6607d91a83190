import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from evalharness.api.benchmark import Benchmark, Scorer
from evalharness.api.detector import Detection, Detector
from evalharness.benchmarks.geneval import prompts
from evalharness.benchmarks.geneval.benchmark import GenEval
from evalharness.benchmarks.geneval.classes import TAGS
from evalharness.benchmarks.geneval.scorer import GenEvalScorer
from evalharness.benchmarks.geneval.scoring_rules import Rules
from evalharness.errors import ConfigError
from evalharness.types.item import Item


class FoundByWidth(Detector):
    """Stands for a detector: what it finds is listed by the width of the image."""

    def __init__(self, found: Mapping[int, list[Detection]]) -> None:
        self.found = found
        self.seen: list[Image.Image] = []

    def identity(self) -> dict[str, Any]:
        return {"name": "listed"}

    def classes(self) -> frozenset[str]:
        return frozenset({"dog", "cat"})

    def detect(self, images: Sequence[Image.Image], min_score: float = 0.0) -> list[list[Detection]]:
        self.seen += images
        return [[one for one in self.found[image.width] if one.score > min_score] for image in images]


class ColorOfTopLeft:
    """Stands for the colour classifier; notes the size of each pass."""

    def __init__(self) -> None:
        self.passes: list[int] = []

    def identity(self) -> dict[str, Any]:
        return {"name": "top left"}

    def classify(self, objects: Sequence[tuple[Image.Image, Detection]]) -> list[str]:
        self.passes.append(len(objects))
        return ["red" if image.getpixel((0, 0)) == (255, 0, 0) else "blue" for image, _ in objects]


DOG = Detection("dog", (0, 0, 4, 4), 0.8)
CAT = Detection("cat", (2, 0, 6, 4), 0.6)
FAINT = Detection("cat", (0, 0, 2, 2), 0.1)
NOISE = Detection("cat", (0, 0, 2, 2), 0.04)
RED_DOG = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}], "prompt": "a photo of a red dog"}
ONE_CAT = {"tag": "single_object", "include": [{"class": "cat", "count": 1}], "prompt": "a photo of a cat"}


def item(metadata: dict[str, Any]) -> Item:
    return Item("00000", metadata["prompt"], metadata["tag"], metadata)


def scorer(found: Mapping[int, list[Detection]], rules: Rules | None = None, **more: Any) -> GenEvalScorer:
    return GenEvalScorer("1", FoundByWidth(found), ColorOfTopLeft(), rules or Rules(), 8, **more)  # type: ignore[arg-type]


def test_a_batch_is_colored_in_one_pass() -> None:
    mine = scorer({10: [DOG], 11: [DOG, CAT], 12: [CAT, FAINT, NOISE]})
    images = [Image.new("RGB", (10, 8), "red"), Image.new("RGB", (11, 8), "blue"), Image.new("RGB", (12, 8), "red")]
    scores = mine.score(images, [item(RED_DOG), item(RED_DOG), item(ONE_CAT)])
    assert [score.value for score in scores] == [1.0, 0.0, 1.0]
    assert [score.reason for score in scores] == ["", "expected red dog>=1, found 0 red; and 1 blue", ""]
    assert mine.colours.passes == [2]  # type: ignore[attr-defined]
    assert scores[1].details["detections"] == [
        {"class": "dog", "box": [0, 0, 4, 4], "score": 0.8, "color": "blue", "counted": True},
        {"class": "cat", "box": [2, 0, 6, 4], "score": 0.6, "color": None, "counted": True},
    ]
    assert [(one["score"], one["counted"]) for one in scores[2].details["detections"]] == [(0.6, True), (0.1, False)]
    assert scores[2].details["threshold"] == 0.3
    json.dumps([score.details for score in scores])


def test_faint_objects_of_a_colored_class_get_colors_in_the_same_pass() -> None:
    faint = [Detection("dog", (0, 0, 2, 2), 0.06), Detection("dog", (4, 0, 6, 2), 0.04), CAT]
    mine = scorer({10: [DOG, *faint], 12: [CAT, FAINT]})
    images = [Image.new("RGB", (10, 8), "red"), Image.new("RGB", (12, 8), "red")]
    first, second = mine.score(images, [item(RED_DOG), item(ONE_CAT)])
    assert mine.colours.passes == [2]  # type: ignore[attr-defined]
    assert [(one["score"], one["color"]) for one in first.details["detections"]] == [
        (0.8, "red"), (0.6, None), (0.06, "red"),
    ]  # fmt: skip
    assert {one["color"] for one in second.details["detections"]} == {None}


def test_a_higher_floor_keeps_and_colors_only_what_counts() -> None:
    faint = [Detection("dog", (0, 0, 2, 2), 0.06), Detection("dog", (4, 0, 6, 2), 0.2)]
    scores = []
    for more in ({}, {"evidence_floor": 0.3}):
        mine = scorer({10: [DOG, *faint]}, **more)
        scores += mine.score([Image.new("RGB", (10, 8), "red")], [item(RED_DOG)])
        assert mine.colours.passes == [1 if more else 3]  # type: ignore[attr-defined]
    assert [len(score.details["detections"]) for score in scores] == [3, 1]
    assert scores[0].value == scores[1].value == 1.0
    low = scorer({10: [NOISE]}, Rules(threshold=0.01), evidence_floor=0.3)
    assert low.score([Image.new("RGB", (10, 8))], [item(ONE_CAT)])[0].value == 1.0  # no rule goes without its objects


def test_images_are_turned_upright_and_made_rgb(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (8, 10), 255).save(tmp_path / "turned.png", exif=exif)
    mine = scorer({10: [CAT]})
    with Image.open(tmp_path / "turned.png") as image:
        assert mine.score([image], [item(ONE_CAT)])[0].value == 1.0
    assert [(seen.size, seen.mode) for seen in mine.detector.seen] == [((10, 8), "RGB")]  # type: ignore[attr-defined]


def test_swapped_channels_are_shown_to_the_detector_alone() -> None:
    image = Image.new("RGB", (10, 8), (255, 0, 0))
    seen, scores = [], []
    for channels in ("published", "swapped"):
        mine = scorer({10: [DOG]}, channels=channels)
        scores += mine.score([image], [item(RED_DOG)])
        seen += [shown.getpixel((0, 0)) for shown in mine.detector.seen]  # type: ignore[attr-defined]
    assert seen == [(255, 0, 0), (0, 0, 255)]
    assert [score.value for score in scores] == [1.0, 1.0], "the colour is that of the image"
    assert "channels" not in scorer({}).identity()
    assert scorer({}, channels="swapped").identity()["channels"] == "swapped"


def test_swapped_channels_are_said_beside_the_number() -> None:
    swapped = GenEval(GenEval.Settings(channels="swapped"))
    assert swapped.title() == "geneval (channels swapped)"
    assert swapped.notes() == [
        "the detector was shown images with red and blue swapped; these are not GenEval's scores."
    ]
    assert all(answer.correct is None for answer in swapped.known_answers())


def test_low_thresholds_lower_the_floor() -> None:
    low = scorer({10: [NOISE]}, Rules(threshold=0.01))
    assert low.score([Image.new("RGB", (10, 8))], [item(ONE_CAT)])[0].value == 1.0


def test_a_class_that_the_detector_cannot_find() -> None:
    cow = {"tag": "single_object", "include": [{"class": "cow", "count": 1}], "prompt": "a photo of a cow"}
    with pytest.raises(ConfigError, match="cannot find 'cow', which the prompt 'a photo of a cow' asks for"):
        scorer({10: []}).score([Image.new("RGB", (10, 8))], [item(cow)])


def test_the_official_items() -> None:
    benchmark: Benchmark = GenEval(GenEval.Settings())
    items = benchmark.items()
    assert [items[0].id, items[-1].id, len(items)] == ["00000", "00552", 553]
    assert items[0].metadata == {**prompts.generate()[0]}
    assert benchmark.prompt_set().name == "original"
    assert benchmark.prompt_set().digest == prompts.OFFICIAL_SHA256
    assert list(benchmark.weights) == list(TAGS)
    assert sum(benchmark.weights.values()) == pytest.approx(1)
    assert benchmark.images_per_prompt == 4


def test_prompts_from_a_file(tmp_path: Path) -> None:
    official = tmp_path / "copy.jsonl"
    official.write_text(prompts.to_jsonl(prompts.generate()))
    assert GenEval(GenEval.Settings(prompts=official)).prompt_set().name == "original"
    rewritten = tmp_path / "long.jsonl"
    rewritten.write_text(prompts.to_jsonl([ONE_CAT | {"prompt": "A fine cat."}]))
    benchmark = GenEval(GenEval.Settings(prompts=rewritten))
    assert benchmark.prompt_set().name == "long.jsonl"
    assert [one.prompt for one in benchmark.items()] == ["A fine cat."]


def with_tags(path: Path, *tags: str) -> GenEval:
    lines = [line for line in prompts.generate() if line["tag"] in tags]
    path.write_text(prompts.to_jsonl(lines))
    return GenEval(GenEval.Settings(prompts=path))


def test_the_overall_score_is_the_mean_of_the_tags_that_are_present(tmp_path: Path) -> None:
    one = with_tags(tmp_path / "counting.jsonl", "counting")
    assert one.weights == {"counting": 1}
    assert one.title() == "geneval (1 of 6 tags)"
    assert one.notes() == ["the prompts have 1 of GenEval's 6 tags; the overall score is the score of counting alone."]
    three = with_tags(tmp_path / "three.jsonl", "position", "colors", "counting")
    assert three.weights == {tag: pytest.approx(1 / 3) for tag in ("counting", "colors", "position")}
    assert list(three.weights) == ["counting", "colors", "position"]
    assert three.title() == "geneval (3 of 6 tags)"
    assert three.notes()[0].endswith("the overall score is the mean of counting, colors and position.")  # type: ignore[index]
    whole = GenEval(GenEval.Settings())
    assert (whole.title(), whole.notes()) == (None, None)


def test_settings_reach_the_networks() -> None:
    settings = GenEval.Settings.model_validate(
        {"detector": {"name": "mask2former", "device": "cpu"}, "device": "cuda:1", "batch_size": 3, "threshold": 0.2}
    )
    mine: Scorer = GenEval(settings).scorer()
    assert isinstance(mine, GenEvalScorer)
    assert mine.rules == Rules(threshold=0.2)
    assert mine.batch_size == 3
    assert mine.detector.settings.model_dump() == {  # type: ignore[attr-defined]
        "weights": "embedded", "device": "cpu", "dtype": "float32", "batch_size": 3
    }  # fmt: skip
    assert mine.colours.settings.device == "cuda:1"
    dumped = settings.model_dump(mode="json")
    assert dumped["detector"]["name"] == "mask2former"
    assert GenEval.Settings.model_validate(dumped) == settings
    assert GenEval.Settings(detector=settings.detector).detector == settings.detector


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"treshold": 0.2}, "treshold"),
        ({"threshold": 1.2}, "less than or equal to 1"),
        ({"detector": "mask3former"}, "did you mean 'mask2former'"),
        ({"detector": {"name": "mask2former", "wieghts": "x"}}, "unknown key 'wieghts'; did you mean 'weights'"),
        ({"detector": 3}, "a detector is a name"),
        ({"colors": {"pretrained": "openai"}}, "needs an architecture"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GenEval.Settings.model_validate(settings)
