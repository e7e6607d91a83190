"""What BAGEL does with an image that it is given: the judge ``bagel`` answers about it, ``edit`` changes it."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bagel_small as small
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

from evalharness.api.judge import JudgePrompt
from evalharness.api.model import ImageEditor
from evalharness.errors import NotFiniteError, SampleError, WeightsError
from evalharness.judges.bagel import Bagel as Judge
from evalharness.models.bagel.plugin import Bagel
from evalharness.types.reply import Reply

PROMPTS = ("a photo of the dog", "three red cubes on top of a cat, in the rain", "one", "blue")
Make = Callable[..., Any]


def picture(i: int) -> Image.Image:
    return small.picture(i, 40 + 20 * i, 70 - 11 * i)


def prompt(i: int, *, limit: int = 39, system: str = "", url: str = "") -> JudgePrompt:
    buffer = io.BytesIO()
    picture(i).save(buffer, "PNG")
    url = url or "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": PROMPTS[i]}]
    messages = [{"role": "system", "content": system}] if system else []
    return JudgePrompt([*messages, {"role": "user", "content": content}], f"image {i}", "rubric", limit)


@pytest.fixture(scope="module")
def make(bagel_folder: Path) -> Make:
    def judge(**chosen: Any) -> Judge:
        default = {
            "weights": bagel_folder, "dtype": "float32", "device": "cpu", "vae_sizes": small.VAE_SIZES,
            "vit_sizes": small.VIT_SIZES,
        }  # fmt: skip
        return Judge(Judge.Settings.model_validate(default | chosen))

    return judge


@pytest.fixture(scope="module")
def judge(make: Make) -> Judge:
    made: Judge = make(batch_size=3)
    return made


def replies(judge: Judge, *prompts: JudgePrompt) -> list[Reply]:
    outcomes = dict(judge.ask(iter(list(enumerate(prompts)))))
    assert all(isinstance(outcome, Reply) for outcome in outcomes.values()), outcomes
    return [outcomes[n] for n in range(len(prompts))]  # type: ignore[misc]


# --- the judge ---


def test_answers_are_the_original_s(judge: Judge, bagel_recording: Mapping[str, np.ndarray]) -> None:
    answers = replies(judge, *(prompt(i) for i in range(4)))
    assert [answer.text for answer in answers] == [
        json.loads(str(bagel_recording[f"understand/{i}"])) for i in range(4)
    ]
    assert all(answer.prompt_tokens > 0 and answer.completion_tokens > 0 for answer in answers)


def test_an_answer_depends_on_its_question_alone(judge: Judge) -> None:
    """Whatever the others are: more texts, shorter answers."""
    mixed = [prompt(0), prompt(1, system="Be brief."), prompt(2, limit=2)]
    together = replies(judge, *mixed)
    for reply, sent in zip(together, mixed, strict=True):
        (alone,) = replies(judge, sent)
        assert (reply.text, reply.finish_reason, reply.prompt_tokens) == (
            alone.text,
            alone.finish_reason,
            alone.prompt_tokens,
        )
    (plain,) = replies(judge, prompt(1))
    assert together[1].prompt_tokens > plain.prompt_tokens
    assert (together[2].finish_reason, together[2].completion_tokens) == ("length", 2)


def test_an_image_that_cannot_be_read_fails_its_question_alone(judge: Judge) -> None:
    prompts = [prompt(0), prompt(1, url="data:image/png;base64,AAAA")]
    outcomes = dict(judge.ask(iter(list(enumerate(prompts)))))
    assert isinstance(outcomes[0], Reply)
    assert isinstance(outcomes[1], SampleError)


def test_who_it_is(make: Make, judge: Judge, bagel_folder: Path) -> None:
    assert judge.identity() == make(batch_size=9, context_tokens=7).identity()
    assert judge.identity() != make(temperature=1.0).identity()
    assert judge.identity() != make(mode="fast").identity()
    assert str(bagel_folder) not in json.dumps(judge.identity())
    judge.reachable()
    with pytest.raises(WeightsError):
        make(weights=bagel_folder / "none").reachable()
    with pytest.raises(ValidationError, match="vit_sizes: the longer side comes first"):
        make(vit_sizes=(28, 56))


# --- the variant edit ---


@pytest.fixture(scope="module")
def editor(bagel_settings: Make) -> Bagel:
    return Bagel(bagel_settings(steps=4, image_scale=2.0, interval=(0.0, 1.0), renorm="text_channel"))


def edited(model: Bagel, *who: int, seed: int = 0, texts: Mapping[int, str] = {}) -> list[bytes]:
    instructions = [texts.get(i, PROMPTS[i]) for i in who]
    made = model.edit([picture(i) for i in who], instructions, [seed + i for i in who])
    return [edit.image.tobytes() for edit in made]


def test_an_edit_has_the_size_of_its_picture_and_depends_on_it_alone(editor: Bagel) -> None:
    assert isinstance(editor, ImageEditor)
    sizes = [edit.image.size for edit in editor.edit([picture(0), picture(3)], ["a", "b"], [1, 2])]
    assert sizes == [editor.load().seen_size(picture(i)) for i in (0, 3)] and len(set(sizes)) == 2
    together = edited(editor, 0, 3, 1)
    assert edited(editor, 3) == together[1:2]
    assert edited(editor, 1, 0) == [together[2], together[0]]


def test_what_an_edit_follows_from(editor: Bagel) -> None:
    (first,) = edited(editor, 0)
    assert edited(editor, 0, seed=7) != [first]
    assert edited(editor, 0, texts={0: "other"}) != [first]
    (other,) = editor.edit([picture(0).rotate(180)], [PROMPTS[0]], [0])
    assert other.image.tobytes() != first


def test_a_judge_that_computes_no_numbers_does_not_answer(bagel_folder: Path, make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(bagel_folder, folder)
    weights = load_file(folder / "ema.safetensors")
    weights["language_model.lm_head.weight"].flat[0] = np.nan
    save_file(weights, folder / "ema.safetensors")
    with pytest.raises(NotFiniteError, match=r"numbers of the next token's logits are NaN or infinite$"):
        replies(make(weights=folder), prompt(0))
