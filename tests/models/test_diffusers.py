from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from judge_server import Answer, serving

from evalharness.api.plugin_results import plain_trajectory
from evalharness.errors import ConfigError, SampleError, WeightsError
from evalharness.generation import variants
from evalharness.generation.single_pass import SinglePass

pytest.importorskip("diffusers", reason="the extra `diffusers` is not installed")

import diffusers
import numpy as np
import tiny_diffusion
import torch
from PIL import Image
from pydantic import ValidationError

from evalharness.models.diffusers import Diffusers

PROMPTS = ["a photo of a dog", "two cats", "a red bench left of a blue cow and a banana"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion of a few thousand random parameters, in the layout of a real one."""
    return tiny_diffusion.save_painter(tmp_path_factory.mktemp("pipeline"), tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An InstructPix2Pix of the same size."""
    return tiny_diffusion.save_editor(tmp_path_factory.mktemp("editor"), tmp_path_factory.mktemp("words"))


def model(checkpoint: Path, **settings: Any) -> Diffusers:
    chosen = {"weights": str(checkpoint), "dtype": "float32", "steps": 3, "device": "cpu", **settings}
    return Diffusers(Diffusers.Settings.model_validate(chosen))


def test_an_image_is_what_the_pipeline_draws_from_its_seed(checkpoint: Path) -> None:
    """Against the library, called by itself with one prompt."""
    drawn = model(checkpoint, guidance=4.0, negative_prompt="ugly").paint(PROMPTS, [5, 6, 7])
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(checkpoint)
    pipeline.set_progress_bar_config(disable=True)
    for sample, prompt, seed in zip(drawn, PROMPTS, [5, 6, 7], strict=True):
        expected = pipeline(
            prompt, num_inference_steps=3, guidance_scale=4.0, negative_prompt="ugly",
            generator=torch.Generator().manual_seed(seed),
        ).images[0]  # fmt: skip
        assert sample.evaluations == 3
        assert sample.image.size == expected.size
        assert np.abs(np.asarray(sample.image, int) - np.asarray(expected, int)).max() <= 1


def test_a_seed_and_a_prompt_each_decide_the_image(checkpoint: Path) -> None:
    drawn = model(checkpoint).paint([PROMPTS[0], PROMPTS[0], PROMPTS[0], PROMPTS[1]], [1, 1, 2, 1])
    same, again, other_seed, other_prompt = (sample.image.tobytes() for sample in drawn)
    assert same == again
    assert same != other_seed
    assert same != other_prompt


def test_no_bar_runs_into_the_progress_of_a_sweep(checkpoint: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from diffusers.utils import logging

    before = logging.is_progress_bar_enabled(), logging.get_verbosity()
    model(checkpoint).paint([PROMPTS[0]], [1])
    assert capfd.readouterr() == ("", "")
    assert (logging.is_progress_bar_enabled(), logging.get_verbosity()) == before


def test_the_identity_follows_the_weights_and_the_call(checkpoint: Path, tmp_path: Path) -> None:
    first = model(checkpoint).identity()
    assert first == model(checkpoint, batch_size=9, offload=False).identity()
    assert first != model(checkpoint, steps=4).identity()
    assert first != model(checkpoint, arguments={"eta": 1.0}).identity()
    assert str(checkpoint) not in json.dumps(first)
    commit = "0123456789" * 4
    named = Diffusers(Diffusers.Settings(hub="owner/name", revision=commit)).identity()
    assert (named["hub"], named["revision"]) == ("owner/name", commit)


def test_another_download_of_a_pipeline_is_the_same(checkpoint: Path, tmp_path: Path) -> None:
    first = model(checkpoint).identity()
    shutil.copytree(checkpoint, tmp_path / "copy")
    (tmp_path / "copy" / ".cache").mkdir()
    for name in ("README.md", ".gitattributes", ".cache/lock", "all-in-one.safetensors", "unet/model.bin"):
        (tmp_path / "copy" / name).write_text("beside what is loaded")
    assert model(tmp_path / "copy").identity() == first
    assert model(checkpoint).former_identities() == [first]
    (former,) = model(tmp_path / "copy").former_identities()
    assert former["weights"] != first["weights"]
    assert former | {"weights": first["weights"]} == first
    (tmp_path / "copy" / "scheduler" / "scheduler_config.json").write_text("{}")
    assert model(tmp_path / "copy").identity() != first


def test_an_argument_that_the_pipeline_lacks(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="StableDiffusionPipeline takes no argument 'guidance_rescal'; did you mean"):
        model(checkpoint, arguments={"guidance_rescal": 0.5}).paint(["x"], [0])


def test_what_is_not_a_pipeline(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"lacks model_index\.json"):
        model(tmp_path).identity()
    with pytest.raises(WeightsError, match="no weights folder"):
        model(tmp_path / "none").identity()
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(WeightsError, match="cannot be loaded as a pipeline"):
        model(tmp_path).paint(["x"], [0])


@pytest.mark.parametrize(
    "wrong", [{}, {"weights": "a", "hub": "a/b"}, {"weights": "a", "revision": "main"}, {"hub": "a"}]
)
def test_one_source_of_weights(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Diffusers.Settings.model_validate(wrong)


def test_pickled_weights_are_not_read(checkpoint: Path, tmp_path: Path) -> None:

    shutil.copytree(checkpoint, tmp_path / "pickled")
    (tmp_path / "pickled" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({}, tmp_path / "pickled" / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be loaded as a pipeline"):
        model(tmp_path / "pickled").paint(["x"], [0])


def test_a_transparent_image_stays_so_until_it_is_counted(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = model(checkpoint)
    decode = diffusers.image_processor.VaeImageProcessor.postprocess

    def layered(self: Any, *arguments: Any, **settings: Any) -> Any:
        images = decode(self, *arguments, **settings)
        images[0].putalpha(0)
        return images

    monkeypatch.setattr(diffusers.image_processor.VaeImageProcessor, "postprocess", layered)
    made = variants.run(SinglePass(), mine, ["x", "y"], [0, 1])
    steps = [plain_trajectory(trajectory, "diffusers").steps[0] for trajectory in made]
    assert [step.transparent for step in steps] == [True, False]
    assert {Image.open(io.BytesIO(step.image or b"")).mode for step in steps} == {"RGB"}


def test_an_image_that_the_safety_checker_refuses(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = model(checkpoint)
    monkeypatch.setattr(
        diffusers.StableDiffusionPipeline,
        "run_safety_checker",
        lambda self, image, device, dtype: (image, [False, True][: len(image)]),
    )
    mine.paint(["x"], [0])
    with pytest.raises(SampleError, match="safety checker refused"):
        mine.paint(["x", "y"], [0, 1])


def test_no_hub_and_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="the hub cannot be reached, and owner/name is not in its cache"):
        Diffusers(Diffusers.Settings(hub="owner/name")).identity()


@pytest.mark.parametrize("answer", [None, (503, "down"), (200, "<html>sign in here</html>"), (200, "[]"), (404, "no")])
def test_a_hub_that_does_not_answer_is_one_line(
    answer: tuple[int, str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a user sees it: exit code 2 and no traceback. The client's errors of the network are no OSErrors."""
    from huggingface_hub import constants

    from evalharness.cli import sweep

    file = tmp_path / "hub.yaml"
    file.write_text(
        "name: hub\nmodels: {far: {name: diffusers, hub: owner/name}}\nbenchmarks: [{name: geneval, limit: 1}]\n"
        "arms: [{name: far, variant: single_pass}]\n"
    )
    with contextlib.ExitStack() as stack:
        address = "http://127.0.0.1:9"  # nobody listens there
        if answer is not None:
            status, text = answer
            _, url = stack.enter_context(serving(lambda call: Answer(text.encode(), status)))
            address = url.removesuffix("/v1")
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        assert sweep.main([str(file), "--store", str(tmp_path / "store")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    expected = "the hub has no owner/name at main" if answer and answer[0] == 404 else "the hub cannot be reached, and"
    assert line.startswith(f"evalharness: {expected}")


def test_an_empty_prompt(checkpoint: Path) -> None:
    with pytest.raises(SampleError, match="the prompt is empty"):
        model(checkpoint).check("  ")


# --- editing ---

PICTURES = [Image.new("RGB", (32, 32), "teal"), Image.new("RGB", (48, 32), "gold")]


def test_an_edit_is_what_the_pipeline_makes_of_an_image(editor: Path) -> None:
    """Against the library, called by itself; images of two sizes in one batch."""
    edited = model(editor, guidance=4.0, negative_prompt="ugly").edit(PICTURES, PROMPTS[:2], [5, 6])
    pipeline = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(editor)
    pipeline.set_progress_bar_config(disable=True)
    for sample, before, prompt, seed in zip(edited, PICTURES, PROMPTS, [5, 6], strict=False):
        expected = pipeline(
            prompt, image=before, num_inference_steps=3, guidance_scale=4.0, negative_prompt="ugly",
            generator=torch.Generator().manual_seed(seed),
        ).images[0]  # fmt: skip
        assert (sample.evaluations, sample.image.size) == (3, expected.size)
        assert np.abs(np.asarray(sample.image, int) - np.asarray(expected, int)).max() <= 1


def test_an_image_to_image_pipeline_edits(checkpoint: Path, tmp_path: Path) -> None:
    parts = diffusers.StableDiffusionPipeline.from_pretrained(checkpoint).components
    parts = {name: part for name, part in parts.items() if name != "image_encoder"}
    diffusers.StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False).save_pretrained(tmp_path)
    mine = model(tmp_path, arguments={"strength": 0.5}, steps=4)
    first, other, bright = mine.edit([PICTURES[0], PICTURES[0], PICTURES[1]], [PROMPTS[0]] * 3, [1, 2, 1])
    assert (first.evaluations, first.image.size, bright.image.size) == (2, (32, 32), (48, 32))
    assert first.image.tobytes() != other.image.tobytes()
    with pytest.raises(ConfigError, match="StableDiffusionImg2ImgPipeline is an editing pipeline and draws nothing"):
        mine.paint(["x"], [0])


def test_each_verb_needs_its_pipeline(checkpoint: Path, editor: Path) -> None:
    with pytest.raises(ConfigError, match="StableDiffusionInstructPix2PixPipeline is an editing pipeline"):
        model(editor).paint(["x"], [0])
    with pytest.raises(ConfigError, match="StableDiffusionPipeline does not edit: it takes no image"):
        model(checkpoint).edit(PICTURES, ["x", "y"], [0, 1])


def test_an_editing_pipeline_that_is_to_draw_is_one_line(
    editor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from evalharness.cli import sweep

    settings = f"weights: {editor}, dtype: float32, steps: 1, device: cpu"
    (tmp_path / "sweep.yaml").write_text(
        f"name: wrong\nmodels: {{mine: {{name: diffusers, {settings}}}}}\nbenchmarks: [mock]\n"
        "arms: [{name: mine, variant: single_pass}]\nexecutor: {name: local, in_process: true}\n"
    )
    assert sweep.main([str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "StableDiffusionInstructPix2PixPipeline is an editing pipeline and draws nothing without an image" in line


CAN = {
    "StableDiffusionPipeline": (True, False),
    "FluxPipeline": (True, False),
    "FluxKontextPipeline": (True, True),
    "Flux2Pipeline": (True, True),
    "QwenImagePipeline": (True, False),
    "QwenImageEditPipeline": (False, True),
    "QwenImageEditPlusPipeline": (False, True),
    "StableDiffusionXLInstructPix2PixPipeline": (False, True),
    "StableDiffusionXLImg2ImgPipeline": (False, True),
    "StableDiffusionInpaintPipeline": (False, False),
    "StableDiffusionControlNetPipeline": (False, False),
    "StableVideoDiffusionPipeline": (False, False),
    "LTXImageToVideoPipeline": (False, False),
    "WanPipeline": (False, False),
}


@pytest.mark.parametrize("name", CAN)
def test_what_a_pipeline_can_do_follows_from_its_signature(name: str) -> None:
    from evalharness.models import pipeline_calls

    pipeline_class = getattr(diffusers, name)
    pipeline = pipeline_class.__new__(pipeline_class)
    assert (pipeline_calls.draws_from_text(pipeline), pipeline_calls.edits(pipeline)) == CAN[name]
    if not any(CAN[name]):
        with pytest.raises(ConfigError, match="neither draws from text alone nor edits"):
            pipeline_calls.check_arguments(pipeline, ())
