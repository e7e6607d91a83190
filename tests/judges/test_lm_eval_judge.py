"""The judge ``lm-eval``: what it hands to lm-eval, what it makes of failures, and who it says it is."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalharness.api.judge import JudgePrompt
from evalharness.config import sweep_files
from evalharness.errors import ConfigError, NotFiniteError, SampleError
from evalharness.judges.lm_eval import LMEval
from evalharness.types.reply import Reply

pytest.importorskip("lm_eval")


def png(color: tuple[int, int, int]) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def prompt(words: str, url: str, number: int = 0) -> JudgePrompt:
    content = [{"type": "text", "text": words}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [{"role": "system", "content": "Judge."}, {"role": "user", "content": content}]
    return JudgePrompt(messages, f"image {number}", "rubric", 7)


class Model:
    """Says what it was asked and which colours it saw; fails on words and images that say so."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def apply_chat_template(self, chat: list[dict[str, Any]]) -> str:
        return "|".join(f"{message['role']}:{message['content']}" for message in chat)

    def generate_until(self, requests: list[Any], disable_tqdm: bool) -> list[str]:
        self.batches.append(len(requests))
        if any("broken" in request.args[0] for request in requests):
            raise RuntimeError("out of\nmemory")
        return [f"{request.args[0]} {request.args[2]['visual'][0].getpixel((0, 0))}" for request in requests]


def judge(**settings: Any) -> tuple[LMEval, Model]:
    tested = LMEval(LMEval.Settings(**settings))
    model = Model()
    tested.model = model  # in place of what lm-eval would load
    return tested, model


def test_texts_and_images_reach_the_model_in_their_places() -> None:
    made, model = judge(batch_size=2)
    prompts = [(n, prompt(f"Is it red? {n} ", png((200, n, 0)), n)) for n in range(5)]
    replies = dict(made.ask(iter(prompts)))
    assert model.batches == [2, 2, 1]
    for n, reply in replies.items():
        assert isinstance(reply, Reply)
        assert reply.text == f"system:Judge.|user:Is it red? {n} <image> (200, {n}, 0)"


def test_words_do_not_smuggle_an_image_in() -> None:
    made, _ = judge()
    [(_, reply)] = made.ask([(0, prompt("a photo of <image> ", png((1, 2, 3))))])
    assert isinstance(reply, Reply) and reply.text.count("<image>") == 1


def test_a_question_at_fault_fails_alone() -> None:
    made, _ = judge(batch_size=4)
    prompts = [
        prompt("fine", png((0, 0, 0))),
        prompt("broken", png((0, 0, 0))),
        prompt("fine", "data:image/png;base64,AAAA"),
    ]
    outcomes = [outcome for _, outcome in made.ask(enumerate(prompts))]
    assert isinstance(outcomes[0], Reply)
    assert isinstance(outcomes[1], SampleError) and "out of memory" in str(outcomes[1])
    assert isinstance(outcomes[2], SampleError) and "cannot be read" in str(outcomes[2])


def test_sampled_replies_are_asked_one_by_one() -> None:
    made, model = judge(temperature=0.7, batch_size=4)
    list(made.ask(enumerate([prompt("a", png((0, 0, 0)), n) for n in range(3)])))
    assert model.batches == [1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "hf-multimodl", "args": {"pretrained": "x"}}, "did you mean 'hf-multimodal'"),
        ({"model": "dummy", "args": {"pretrained": "x"}}, "does not look at images"),
        ({"model": "hf-multimodal", "args": {"pretrained": "/"}}, "cannot be loaded"),
        ({"model": "local-chat-completions", "args": {"base_url": "http://127.0.0.1:9"}}, "needs the argument 'model'"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        LMEval(LMEval.Settings(**settings)).reachable()
    assert "\n" not in str(caught.value)


def test_identity_is_what_answers_not_where(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")

    def identity(**args: Any) -> Any:
        return LMEval(LMEval.Settings(args=args)).identity()

    first, second = (identity(pretrained=str(tmp_path / name), device="cuda:1") for name in ("a", "b"))
    assert first == second and str(tmp_path) not in str(first)
    (tmp_path / "b" / ".cache").mkdir()
    for name in ("README.md", ".DS_Store", ".cache/model.safetensors.lock"):
        (tmp_path / "b" / name).write_text("beside the weights")
    placed = {"attn_implementation": "sdpa", "device_map": "auto", "tensor_parallel_size": 2}
    assert identity(pretrained=str(tmp_path / "b"), **placed) == first
    (former,) = LMEval(LMEval.Settings(args={"pretrained": str(tmp_path / "a")})).former_identities()
    assert former == first
    (former,) = LMEval(LMEval.Settings(args={"pretrained": str(tmp_path / "b"), **placed})).former_identities()
    assert former["args"].keys() == {"pretrained", *placed}
    assert former["args"]["pretrained"] != first["args"]["pretrained"]
    (tmp_path / "b" / "card.json").write_text("{}")
    assert identity(pretrained=str(tmp_path / "b")) == first
    (tmp_path / "b" / "model.safetensors").write_bytes(b"others")
    assert identity(pretrained=str(tmp_path / "b")) != first
    assert identity(pretrained="org/model", revision="1" * 40) != identity(pretrained="org/model", revision="2" * 40)


@pytest.mark.parametrize("name", ["api_key", "header", "token"])
def test_a_key_in_the_sweep_is_refused_and_not_repeated(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        "name: x\nmodel: miniature\narms: [{name: one, variant: single_pass}]\nbenchmarks:\n"
        "  - name: wise-mini\n"
        f"    judge: {{name: lm-eval, model: local-chat-completions, args: {{model: m, {name}: secret}}}}\n"
    )
    with pytest.raises(ConfigError, match=f"{name} would stand in the report") as caught:
        sweep_files.load(tmp_path / "x.yaml")
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_judge_that_computes_no_numbers_does_not_answer() -> None:
    import torch

    made = LMEval(LMEval.Settings(device="cpu"))
    asked = [(0, prompt("Is it red?", png((200, 0, 0))))]
    ((_, reply),) = made.ask(iter(asked))
    assert isinstance(reply, Reply)
    weights = list(made.model.model.parameters())[-1]
    with torch.no_grad():
        weights.view(-1)[0] = float("nan")
    with pytest.raises(NotFiniteError, match=r"^\d+ of \d+ numbers of the logits of the judge are NaN or infinite$"):
        list(made.ask(iter(asked)))
