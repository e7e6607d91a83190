"""The editing teacher on a tiny random pipeline, the judge and the detector as filters."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_diffusion
from PIL import Image
from pydantic import ValidationError

from evalharness.errors import ConfigError, SampleError, WeightsError
from evalharness.miniature.world.board import Thing, render
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.testing import MockJudge
from evalharness.training_data.conflicts import Conflict
from evalharness.training_data.filters import Case, Verdict
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.judge_filter import JudgeFilter, read_reply
from evalharness.training_data.scorer_filter import ScorerFilter
from evalharness.training_data.teachers import DrawingRequest
from evalharness.types.reply import Reply

DOG, CUP = Node("dog"), Node("cup", "red")


# --- an editing pipeline ---


@pytest.fixture(scope="module")
def pix2pix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An InstructPix2Pix of a few thousand random parameters, in the layout of a real one."""
    pytest.importorskip("diffusers", reason="the extra `diffusers` is not installed")
    return tiny_diffusion.save_editor(tmp_path_factory.mktemp("pix2pix"), tmp_path_factory.mktemp("words"))


def _teacher(folder: Path, **settings: Any) -> Any:
    from evalharness.training_data.diffusers_edit import DiffusersEdit

    given = {"weights": str(folder), "dtype": "float32", "steps": 2, "device": "cpu", "size": 32, **settings}
    return DiffusersEdit(DiffusersEdit.Settings.model_validate(given))


def _request(before: Image.Image | None, instruction: str = "Add a dog", seed: int = 3) -> DrawingRequest:
    return DrawingRequest(before, SceneGraph((DOG,)), instruction, "a dog", seed)


def test_a_state_is_what_the_pipeline_makes_of_the_one_before(pix2pix: Path) -> None:
    """Against the library, called by itself."""
    import diffusers
    import torch

    before = Image.new("RGB", (32, 32), "teal")
    (edited,) = _teacher(pix2pix, arguments={"image_guidance_scale": 1.2}).draw([_request(before)])
    pipeline = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(pix2pix)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        prompt="Add a dog", image=before, num_inference_steps=2, image_guidance_scale=1.2,
        generator=torch.Generator().manual_seed(3),
    ).images[0]  # fmt: skip
    assert np.abs(np.asarray(edited, int) - np.asarray(expected, int)).max() <= 1


def test_instruction_state_and_seed_each_decide_the_edit_and_neighbours_do_not(pix2pix: Path) -> None:
    teacher = _teacher(pix2pix)
    teal, pink = Image.new("RGB", (32, 32), "teal"), Image.new("RGB", (32, 32), "pink")
    asked = [_request(teal), _request(teal, "Remove all cups"), _request(pink), _request(teal, seed=4)]
    drawn = [image.tobytes() for image in teacher.draw(asked)]
    assert len(set(drawn)) == 4
    assert [image.tobytes() for image in teacher.draw(asked[2:3])] == drawn[2:3]


def test_the_first_state_comes_from_its_description(pix2pix: Path) -> None:
    """This pipeline cannot do without an image: it edits an empty canvas, by the description."""
    teacher = _teacher(pix2pix)
    white = Image.new("RGB", (32, 32), "white")
    first, same, other = teacher.draw([_request(None), _request(white, "a dog"), _request(white)])
    assert first.size == (32, 32)
    assert first.tobytes() == same.tobytes() != other.tobytes()


def test_a_state_keeps_the_frame_of_the_one_before(pix2pix: Path) -> None:
    (edited,) = _teacher(pix2pix).draw([_request(Image.new("RGB", (37, 30), "teal"))])
    assert edited.size == (37, 30)


def test_the_identity_follows_weights_and_settings(pix2pix: Path) -> None:
    identity = _teacher(pix2pix).identity()
    assert identity["name"] == "diffusers-edit" and identity["size"] == 32
    assert identity != _teacher(pix2pix, size=64).identity() != _teacher(pix2pix, size=64, steps=3).identity()
    assert str(pix2pix) not in json.dumps(identity)


def test_a_pipeline_that_cannot_edit_is_refused(pix2pix: Path, tmp_path: Path) -> None:
    import diffusers

    parts = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(pix2pix).components
    painter = diffusers.StableDiffusionPipeline(
        **{name: part for name, part in parts.items() if name != "image_encoder"}, requires_safety_checker=False
    )
    painter.save_pretrained(tmp_path / "painter")
    with pytest.raises(ConfigError, match="StableDiffusionPipeline does not edit"):
        _teacher(tmp_path / "painter").draw([_request(None)])
    with pytest.raises(ConfigError, match="takes no argument 'image_guidence_scale'; did you mean"):
        _teacher(pix2pix, arguments={"image_guidence_scale": 1}).draw([_request(None)])
    with pytest.raises(WeightsError):
        _teacher(tmp_path).draw([_request(None)])


# --- the detector ---


def _case(scene: tuple[Thing, ...], *nodes: Node) -> Case:
    return Case(render(scene), SceneGraph(nodes), "", "", MiniatureWorld())


def test_the_embedded_detector_finds_what_is_wrong() -> None:
    scene = (Thing("dog", "brown", 0), Thing("cup", "blue", 5))
    dog, cup = Node("dog", None, "a1"), Node("cup", "red", "b2")
    right, wrong, missing = ScorerFilter().check(
        [_case(scene, dog, Node("cup", "blue", "b2")), _case(scene, dog, cup), _case(scene[:1], dog, cup)]
    )
    assert right is not None and right.right
    assert wrong is not None and wrong.conflict == Conflict("wrong color", Node("cup", "blue"), Node("cup", "red"))
    assert missing is not None and missing.conflict == Conflict("missing", None, Node("cup", "red"))


# --- judges ---


def test_a_judge_is_asked_about_each_picture_and_its_words_are_kept() -> None:
    answers = iter(["perhaps", SampleError("no"), "Score: 0\nWrong: the cup\nis blue", "Score: 1"])
    judge = MockJudge(MockJudge.Settings(concurrency=4), answer=lambda prompt: next(answers))
    judge_filter = JudgeFilter()
    judge_filter.judge = judge
    images = [Image.new("RGB", (4, 4), color) for color in ("red", "blue", "green", "white")]
    cases = [Case(image, SceneGraph((CUP,)), "a photo of a cup", "a red cup", MiniatureWorld()) for image in images]
    assert judge_filter.check(cases) == [Verdict(True), Verdict(False, None, "the cup"), None, None]
    content = judge.prompts[2].messages[-1]["content"]
    assert "a red cup" in content[0]["text"] and "a photo of a cup" in content[0]["text"]
    shown = Image.open(io.BytesIO(base64.b64decode(content[1]["image_url"]["url"].partition(",")[2])))
    assert shown.getpixel((0, 0)) == (0, 0, 255)
    assert judge_filter.identity()["judge"] == judge.identity()


@pytest.mark.parametrize(
    ("text", "right"),
    [("Score: 1", True), ("**Score:** 0", False), ("score = 1.", True), ("Score: 10", None), ("Score: 0.5", None),
     ("Score: 1\nScore: 0", None), ("", None), ("one", None)],
)  # fmt: skip
def test_what_a_reply_says(text: str, right: bool | None) -> None:
    verdict = read_reply(Reply(text))
    assert (verdict.right if verdict else None) == right


def test_a_judge_cannot_smuggle_markers_into_the_data() -> None:
    verdict = read_reply(Reply("Score: 0\nWrong: </inspect><end> all of it"))
    assert verdict is not None
    assert "<" not in verdict.reason and ">" not in verdict.reason


@pytest.mark.parametrize("rubric", ["{picture}", "is it right?", "{description} {"])
def test_a_rubric_without_its_places_is_refused(rubric: str) -> None:
    with pytest.raises(ValidationError):
        JudgeFilter.Settings(rubric=rubric)
