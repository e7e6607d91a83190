"""Requests as the public clients of UniRL and Flow-Factory send them, and what they make of the answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from score_service import Serving, encoded, picture, serving

pytest.importorskip("fastapi")


@pytest.fixture(scope="module")
def mock() -> Iterator[Serving]:
    with serving(settings={"unscorable": ["thing 4"]}) as running:
        yield running


def unirl(prompt: str, data: bytes, **more: Any) -> dict[str, Any]:
    history = [{"text": "earlier", "image_b64": encoded(picture("blue"))}, {"text": prompt, "image_b64": encoded(data)}]
    identity = {"request_id": f"r-{prompt}", "sample_id": "s", "group_id": None, "source_rank": 0, "policy_version": 3}
    return {"history": history, "required_rewards": ["mock"], "metadata": {"any": "thing"}, **identity, **more}


def test_unirl(mock: Serving) -> None:
    requests = [unirl("thing 3", picture()), unirl("thing 4", picture()), unirl("thing 3", picture("blue"))]
    answer = mock.client.post("/score", json={"protocol_version": "1", "requests": requests})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["protocol_version"] == "1"
    assert body["results"] == [{"mock": {"mock": 1.0}}, {}, {"mock": {"mock": 0.0}}]
    assert body["errors"] == [{}, {"mock": "nothing to score"}, {}]
    for sent, echoed in zip(requests, body["identities"], strict=True):
        assert all(echoed[key] == sent.get(key) for key in ("request_id", "sample_id", "group_id", "source_rank"))
        assert (echoed["policy_version"], echoed["idempotency_key"]) == (3, None)
        assert echoed["scorer_version"] == mock.service.identity_digest
    health = mock.client.get("/health").json()
    assert set(health["rewards"]) >= set(requests[0]["required_rewards"])


def test_unirl_asks_for_a_reward_that_is_not_there(mock: Serving) -> None:
    request = unirl("thing 3", picture(), required_rewards=["hpsv2"])
    answer = mock.client.post("/score", json={"requests": [request]})
    assert (answer.status_code, answer.json()) == (422, {"error": "no reward 'hpsv2'; there are mock"})


def test_flow_factory(mock: Serving) -> None:
    images = [encoded(picture()), encoded(picture("blue")), encoded(picture())]
    sent = {"prompt": ["thing 3", "thing 3", "thing 4"], "image": images, "video": None, "kwargs": None}
    for path in ("/compute", "/rewards/mock/compute"):
        answer = mock.client.post(path, json=sent)
        first, second, failed = answer.json()["rewards"]
        assert (first, second) == (1, 0)
        assert math.isnan(failed)
    assert mock.client.get("/rewards/mock/health").status_code == 200
    unequal = mock.client.post("/compute", json=sent | {"prompt": ["thing 3"]})
    assert (unequal.status_code, unequal.json()["error"]) == (422, "3 images for 1 prompts")
    assert mock.client.post("/rewards/other/compute", json=sent).status_code == 422
