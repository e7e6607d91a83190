"""What an image endpoint's answers cost, used or not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from judge_server import Answer, error, serving

from evalharness.api.model import ImageRequest
from evalharness.errors import BudgetError
from evalharness.models.images_api import ImagesAPI
from evalharness.models.images_response import parse_response
from evalharness.testing import MockModel

TOKENS = {"price_prompt": 10.0, "price_completion": 40.0}


def model(url: str, **settings: Any) -> ImagesAPI:
    given = {"model": "m", "base_url": url, "backoff": 0.0, "retries": 3, "concurrency": 1, **settings}
    return ImagesAPI(ImagesAPI.Settings.model_validate(given))


def asked(answer: Answer, **settings: Any) -> tuple[int, str]:
    """Number of calls until the budget was spent, and what the message says."""
    with serving(lambda call: answer) as (server, url), pytest.raises(BudgetError) as caught:
        list(model(url, **settings).generate((number, ImageRequest(f"p{number}", 0)) for number in range(100)))
    return len(server.calls), str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"data": [], "usage": {"input_tokens": 100, "output_tokens": 1000}}),
        Answer({"data": None, "usage": {"prompt_tokens": 100.0, "completion_tokens": None, "total_tokens": 1100}}),
        Answer(error("broken") | {"usage": {"input_tokens": 100, "output_tokens": 1000}}, 500),
        Answer({"data": [{"b64_json": "???"}], "usage": {"input_tokens": 100, "output_tokens": 1000}}),
    ],
)
def test_tokens_of_answers_without_an_image_are_charged(answer: Answer) -> None:
    calls, message = asked(answer, max_dollars=0.2, **TOKENS)
    assert calls == 4
    assert "0.164 of 0.2 dollars" in message


def test_an_image_that_cannot_be_read_has_its_price() -> None:
    assert asked(Answer({"data": [{"b64_json": "???"}]}), max_dollars=0.5, price_image=0.1)[0] == 5


def test_odd_fields_do_not_cost_the_image() -> None:
    png = base64.b64encode(MockModel(MockModel.Settings(size=4)).paint(["x"], [1])[0].image.tobytes()).decode()
    image = {"b64_json": png, "url": False, "revised_prompt": ["a"]}
    odd = json.dumps({"data": [image], "usage": {"input_tokens": None}})
    response = parse_response(odd)
    assert response is not None
    assert (response.encoded, response.url, response.revised_prompt) == (png, "", "a")
