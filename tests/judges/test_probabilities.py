"""How probable an answer is: by a network here, by the tokens that an endpoint lists, and in a prompt's key."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evalharness.api.judge import JudgePrompt
from evalharness.assets.weights_folder import embedded_weights
from evalharness.errors import ConfigError, SampleError
from evalharness.judges.completion import read_probability
from evalharness.judges.vision_language import VisionLanguage
from evalharness.types.reply import Reply

needs_weights = pytest.mark.skipif(not embedded_weights("judge").is_dir(), reason="no embedded judge")
FORMS = ("Yes", "yes", " yes", " Yes")


def prompt(text: str = "Is there a dog?", color: str = "red", **more: Any) -> JudgePrompt:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
    return JudgePrompt([{"role": "user", "content": content}], image="a" * 64, rubric="r", max_tokens=8, **more)


def replies(judge: VisionLanguage, *prompts: JudgePrompt) -> list[Reply]:
    outcomes = dict(judge.ask(enumerate(prompts)))
    assert not any(isinstance(outcome, SampleError) for outcome in outcomes.values())
    return [outcomes[index] for index in range(len(prompts))]  # type: ignore[misc]


@needs_weights
def test_a_probability_is_that_of_the_first_token_in_one_pass_of_the_network() -> None:
    """The network is called directly here, without generating."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = str(embedded_weights("judge"))
    processor = AutoProcessor.from_pretrained(folder)
    network = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").eval()
    for color in ("red", "blue"):
        image = Image.new("RGB", (40, 30), color)
        words = [{"type": "image", "image": image}, {"type": "text", "text": "Is there a dog?"}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": words}],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            after = torch.softmax(network(**inputs).logits[0, -1].float(), dim=-1)
        for forms in (FORMS, ("Score", "S"), ("S",)):
            expected = sum(float(after[processor.tokenizer.encode(form)[0]]) for form in forms)
            (reply,) = replies(VisionLanguage(), prompt(color=color, answers=forms))
            assert float(reply.text) == pytest.approx(expected, rel=1e-5)
            assert (reply.completion_tokens, reply.prompt_tokens) == (1, inputs["input_ids"].shape[1])


@needs_weights
def test_it_also_replies_in_words() -> None:
    first, again = replies(VisionLanguage(), prompt(), prompt())
    assert first.text == again.text != ""
    assert first.completion_tokens <= 8
    assert (first.finish_reason == "length") == (first.completion_tokens == 8)


def test_a_model_that_is_not_there_is_one_line(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=r"judge 'transformers': .* cannot be loaded"):
        VisionLanguage(VisionLanguage.Settings.model_validate({"weights": str(tmp_path)})).reachable()


def test_what_is_asked_for_is_part_of_a_prompt_s_key() -> None:
    assert prompt().key() != prompt(answers=FORMS).key() != prompt(answers=FORMS[:2]).key()


def body(listed: Any) -> str:
    first = {"token": "Yes", "logprob": -0.1, "top_logprobs": listed}
    choice = {"message": {"content": "Yes"}, "finish_reason": "length", "logprobs": {"content": [first]}}
    usage = {"prompt_tokens": 7, "completion_tokens": 1}
    return json.dumps({"choices": [choice], "usage": usage, "model": "m"})


def test_listed_tokens_that_are_answers_are_added_up() -> None:
    listed = [
        {"token": "Yes", "logprob": math.log(0.5)},
        {"token": " yes", "logprob": math.log(0.25)},
        {"token": "No", "logprob": math.log(0.2)},
    ]
    reply = read_probability(body(listed), FORMS)
    assert reply is not None
    assert float(reply.text) == pytest.approx(0.75)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.model) == (7, 1, "m")
    none = read_probability(body(listed), ["six"])
    assert none is not None
    assert float(none.text) == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)
entries = st.dictionaries(st.sampled_from(["token", "logprob", "bytes"]), json_values | st.just("Yes"), max_size=3)


@given(st.lists(entries, max_size=4) | json_values)
def test_whatever_an_endpoint_lists_is_a_probability_or_none(listed: Any) -> None:
    reply = read_probability(body(listed), FORMS)
    assert reply is None or 0 <= float(reply.text) <= 1


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"choices": [{"message": {"content": "Yes"}}]}', body([]), body(None)]
)
def test_a_body_without_log_probabilities_is_none(text: str) -> None:
    assert read_probability(text, FORMS) is None
