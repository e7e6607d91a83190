"""A score belongs to what its scorer is given of an item, and to nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mock_sweeps import IN_PROCESS, draw_and_score
from PIL import Image
from plugin_packages import InstallPlugins
from pydantic import BaseModel

import evalharness as eh
from evalharness._util.hashing import digest
from evalharness.api.benchmark import Benchmark, Scorer
from evalharness.api.model import Drawn, ImageModel
from evalharness.types.item import ITEM_FIELDS, Item, ItemField, PromptImage, PromptSet
from evalharness.types.score import Score

Write = Callable[[str], Path]
SWEEP = """\
name: constant
model: constant
benchmarks: [{name: echo}]
arms: [{name: single, variant: single_pass}]
"""


class Constant(ImageModel):
    """Draws the same image whatever the prompt."""

    name = "constant"
    batch_size = 4

    def __init__(self, settings: BaseModel) -> None:
        """Nothing to set."""

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        return [Drawn(Image.new("RGB", (2, 2)), 1) for _ in prompts]


class EchoScorer(Scorer):
    """Gives the item as the reason of its score."""

    batch_size = 4

    def identity(self) -> Mapping[str, Any]:
        return {"name": "echo"}

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        return [Score(0.5, json.dumps([item.id, item.prompt, item.category, dict(item.metadata)])) for item in items]


class MetadataScorer(EchoScorer):
    item_fields: Sequence[ItemField] = ("metadata",)


class Echo(Benchmark):
    """Twelve prompts in two categories, of which two share their metadata."""

    name = "echo"
    weights: Mapping[str, float] = {"odd": 0.5, "even": 0.5}
    scorer_class: ClassVar[type[Scorer]] = EchoScorer

    def __init__(self, settings: BaseModel) -> None:
        """Nothing to set."""

    def prompt_set(self) -> PromptSet:
        return PromptSet("echo", "0" * 64)

    def items(self) -> list[Item]:
        return [
            Item(str(number), f"prompt {number}", ("even", "odd")[number % 2], {"half": number // 2})
            for number in range(12)
        ]

    def scorer(self) -> Scorer:
        return self.scorer_class()


class EchoOfMetadata(Echo):
    name = "metadata-echo"
    scorer_class = MetadataScorer


@pytest.fixture
def plugins(install_plugins: InstallPlugins) -> None:
    install_plugins(models=[Constant], benchmarks=[Echo, EchoOfMetadata])


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("executor", [IN_PROCESS, "executor: {name: local, workers: 2}\n"])
def test_one_image_of_twelve_prompts_gets_the_score_of_each(sweep_file: Write, tmp_path: Path, executor: str) -> None:
    samples = draw_and_score(sweep_file(SWEEP + executor), tmp_path / "r" / "x")
    assert len({sample["image"] for sample in samples}) == 1
    for number, sample in enumerate(samples):
        expected = [str(number), f"prompt {number}", ("even", "odd")[number % 2], {"half": number // 2}]
        assert json.loads(sample["reason"]) == expected


@pytest.mark.usefixtures("plugins")
def test_a_scorer_is_given_only_the_fields_that_its_keys_have(sweep_file: Write, tmp_path: Path) -> None:
    samples = draw_and_score(sweep_file(SWEEP.replace("echo", "metadata-echo") + IN_PROCESS), tmp_path / "r" / "x")
    assert [json.loads(sample["reason"]) for sample in samples] == [["", "", "", {"half": n // 2}] for n in range(12)]


ITEM = Item("7", "a cat", "animals", {"count": 1}, PromptImage(Path("cat.png"), "ab" * 32))


@pytest.mark.usefixtures("plugins")
def test_every_field_that_a_scorer_sees_is_in_the_key(sweep_file: Write) -> None:
    planned = eh.plan(sweep_file(SWEEP)).benchmarks["echo"]
    picture = PromptImage(Path("dog.png"), "cd" * 32)
    changes: dict[ItemField, Any] = {
        "id": "8", "prompt": "a dog", "category": "pets", "metadata": {"count": 2}, "picture": picture,
    }  # fmt: skip
    assert set(changes) == set(ITEM_FIELDS)
    for name, value in changes.items():
        changed = replace(ITEM, **{name: value})
        assert planned.score_key("ef" * 32, changed) != planned.score_key("ef" * 32, ITEM)
        unseen = replace(planned, item_fields=[field for field in ITEM_FIELDS if field != name])
        assert unseen.score_key("ef" * 32, changed) == unseen.score_key("ef" * 32, ITEM)


@pytest.mark.usefixtures("plugins")
def test_a_picture_is_known_by_its_content_wherever_it_lies(sweep_file: Write) -> None:
    planned = eh.plan(sweep_file(SWEEP)).benchmarks["echo"]
    moved = replace(ITEM, picture=PromptImage(Path("elsewhere/cat.png"), "ab" * 32))
    assert planned.score_key("ef" * 32, moved) == planned.score_key("ef" * 32, ITEM)


@pytest.mark.parametrize("benchmark", ["{name: geneval, limit: 3}", "{name: crowded, limit: 3}"])
def test_scorers_of_metadata_keep_the_keys_of_old_stores(sweep_file: Write, benchmark: str) -> None:
    text = f"name: old\nmodel: mock\nbenchmarks: [{benchmark}]\narms: [{{name: single, variant: single_pass}}]\n"
    (planned,) = eh.plan(sweep_file(text)).benchmarks.values()
    for item in planned.items:
        expected = digest(["score", "ab" * 32, planned.scorer_digest, digest(dict(item.metadata))])
        assert planned.score_key("ab" * 32, item) == expected
