"""Janus and Emu3 of random weights through the harness: seeds, capabilities, variants, texts and errors."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_any_to_any as tiny
import torch
from PIL import Image
from pydantic import ValidationError

from evalharness.errors import ConfigError, SampleError, WeightsError
from evalharness.generation import variants
from evalharness.generation.best_of_n import BestOfN
from evalharness.generation.process import Process
from evalharness.generation.spoken import TokenLimits
from evalharness.generation.text_cot import TextCot
from evalharness.models.any_to_any.plugin import AnyToAny
from evalharness.models.composite.plugin import Composite

FAMILIES = {"janus": tiny.save_janus, "emu3": tiny.save_emu3}
SIDES = {"janus": 16, "emu3": 32}
THOUGHT, INSPECTION = TokenLimits(think=6), TokenLimits(inspect=6)
Make = Callable[..., AnyToAny]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[family](tmp_path_factory.mktemp(family))


@pytest.fixture(scope="module")
def model(folder: Path) -> AnyToAny:
    return AnyToAny(settings(folder))


def settings(folder: Path, **changes: Any) -> Any:
    small = {"weights": folder, "dtype": "float32", "device": "cpu", "area": 1024, "guidance": 3.0}
    return AnyToAny.Settings.model_validate(small | changes)


def test_an_image_depends_on_its_own_prompt_and_seed(model: AnyToAny, family: str) -> None:
    """Whatever the global generator is at, and it is left as it was."""
    torch.manual_seed(5)
    together = model.paint(["a cat", "a dog"], [1, 2])
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)
    (alone,) = model.paint(["a dog"], [2])
    (reseeded,) = model.paint(["a dog"], [3])
    assert alone.image.tobytes() == together[1].image.tobytes()
    assert len({drawn.image.tobytes() for drawn in (*together, reseeded)}) == 3
    assert alone.image.size == (SIDES[family],) * 2
    assert alone.evaluations == 16


def test_the_variants_that_it_can(model: AnyToAny) -> None:
    (thought,) = variants.run(TextCot(tokens=THOUGHT), model, ["a cat"], [1])
    assert [step.kind for step in thought.steps] == ["think", "draw"]
    assert thought.steps[0].cut
    (best,) = variants.run(BestOfN(n=2, tokens=INSPECTION), model, ["a cat"], [1])
    assert [step.kind for step in best.steps] == ["draw", "inspect"] * 2 + ["choose"]
    (single,) = model.paint(["a cat"], [1])
    assert Image.open(io.BytesIO(best.steps[0].image or b"")).tobytes() == single.image.tobytes()


def test_a_text_depends_on_its_own_context_and_seed(model: AnyToAny) -> None:
    def written(prompts: list[str], seeds: list[int], color: str = "red") -> list[str]:
        contexts = model.start(len(prompts))
        model.read(contexts, prompts)
        model.look(contexts, [Image.new("RGB", (32, 32), color)] * len(prompts))
        return [text.text for text in model.write(contexts, stop=(), max_tokens=12, seeds=seeds, ask="What?")]

    first = written(["a cat", "a dog"], [1, 2])
    assert written(["a dog"], [2]) == first[1:]
    assert written(["a dog"], [3]) != first[1:]


def test_what_it_cannot_is_said_when_a_sweep_is_planned(model: AnyToAny, folder: Path) -> None:
    with pytest.raises(ConfigError, match="'any-to-any' draws from a text alone, not from an image"):
        Process().check(model)
    with pytest.raises(ConfigError, match="the editor 'any-to-any' does not change images"):
        part = {"name": "any-to-any", "weights": str(folder)}
        Composite(Composite.Settings.model_validate({"writer": part, "editor": part}))
    with pytest.raises(SampleError, match="empty"):
        model.check(" ")


def test_the_identity_is_what_decides(folder: Path, tmp_path: Path) -> None:
    first = AnyToAny(settings(folder)).identity()
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert AnyToAny(settings(Path(copy), batch_size=9)).identity() == first
    for change in ({"guidance": 1.0}, {"suffix": ", sharp"}, {"temperature": 0}, {"arguments": {"top_k": 5}}):
        assert AnyToAny(settings(folder, **change)).identity() != first
    assert str(folder) not in json.dumps(first)
    with pytest.raises(ValidationError, match="either weights"):
        AnyToAny.Settings()


def test_a_suffix_and_arguments_reach_the_network(folder: Path) -> None:
    (plain,) = AnyToAny(settings(folder)).paint(["a cat"], [1])
    for change in ({"suffix": ", sharp"}, {"arguments": {"top_k": 1}}, {"guidance": 1.0}):
        (other,) = AnyToAny(settings(folder, **change)).paint(["a cat"], [1])
        assert other.image.tobytes() != plain.image.tobytes()


def test_a_folder_of_another_kind_is_one_line(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    (other / "chat_template.jinja").unlink()
    with pytest.raises(WeightsError, match="has no chat template"):
        AnyToAny(settings(other)).prepare()
    (other / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(WeightsError, match="is of the family 'llama'; any-to-any draws with janus, emu3"):
        AnyToAny(settings(other)).prepare()
    (other / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be loaded by transformers"):
        AnyToAny(settings(other)).prepare()
    (other / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"lacks config\.json"):
        AnyToAny(settings(other)).identity()
