from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from judge_server import Answer, serving

from evalharness.errors import ConfigError, SampleError, WeightsError

pytest.importorskip("diffusers", reason="the extra `diffusers` is not installed")

import diffusers
import numpy as np
import tiny_diffusion
import torch
from pydantic import ValidationError

from evalharness.models.diffusers import Diffusers

PROMPTS = ["a photo of a dog", "two cats", "a red bench left of a blue cow and a banana"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion of a few thousand random parameters, in the layout of a real one."""
    folder = tmp_path_factory.mktemp("pipeline")
    parts = tiny_diffusion.parts(tmp_path_factory.mktemp("words"))
    pipeline = diffusers.StableDiffusionPipeline(**parts)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


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
