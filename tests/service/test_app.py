"""The scoring service as its clients see it, over real connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest
from score_service import Serving, encoded, picture, serving
from waiting import until

from evalharness.execution.workers import PluginWorkerSpec

pytest.importorskip("fastapi")


@pytest.fixture(scope="module")
def mock() -> Iterator[Serving]:
    with serving(images=80, megabytes=1) as running:
        yield running


def entry(data: bytes | str = picture(), prompt: str = "thing 3", **more: Any) -> dict[str, Any]:
    return {"image": data if isinstance(data, str) else encoded(data), "prompt": prompt, **more}


def score(mock: Serving, *entries: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    answer = mock.client.post("/score", json={"images": list(entries), **more})
    assert answer.status_code == 200, answer.text
    assert answer.json()["identity"] == mock.service.identity_digest
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_images_are_scored_in_order_and_come_back_with_their_ids(mock: Serving) -> None:
    results = score(mock, entry(id="a"), entry(picture("blue"), id=7), entry(), details=True)
    assert [result["score"] for result in results] == [1, 0, 1]
    assert [result["id"] for result in results] == ["a", 7, None]
    assert [result["reason"] for result in results] == ["", "not red", ""]
    assert {result["tag"] for result in results} == {"odd"}
    assert [result["details"]["red"] for result in results] == [255, 0, 255]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_formats(mock: Serving, form: str) -> None:
    (result,) = score(mock, entry(picture("red", form)))
    assert result["score"] == 1
    data_url = f"data:image/{form.lower()};base64,{encoded(picture('red', form))}"
    (result,) = score(mock, entry(data_url))
    assert result["score"] == 1


def test_files_as_parts(mock: Serving) -> None:
    request = {"images": [{"prompt": "thing 3", "id": 1}, {"prompt": "thing 2", "id": 2}]}
    files = [("image", ("a.png", picture("blue"))), ("image", ("b.jpg", picture("red", "JPEG")))]
    answer = mock.client.post("/score", data={"request": json.dumps(request)}, files=files)
    assert [(result["id"], result["score"]) for result in answer.json()["results"]] == [(1, 0), (2, 1)]
    short = mock.client.post("/score", data={"request": json.dumps(request)}, files=files[:1])
    assert (short.status_code, short.json()["error"]) == (422, "1 parts 'image' for 2 images of the request")


@pytest.mark.parametrize(
    ("image", "error"),
    [
        ("", "cannot be read"),
        ("!!!", "not base64"),
        (encoded(b"GIF89a"), "cannot be read"),
        (encoded(picture()[:50]), ""),
    ],
)
def test_what_cannot_be_scored_is_null_with_an_error_and_the_others_are_scored(
    mock: Serving, image: str, error: str
) -> None:
    bad, good = score(mock, entry(image), entry())
    assert (bad["score"], bad["rewards"], bad["reason"]) == (None, None, None)
    assert error in bad["error"]
    assert (good["score"], good["error"]) == (1, None)


def test_a_scorer_that_fails_on_an_image_gives_null(mock: Serving) -> None:
    with serving(settings={"unscorable": ["thing 3"]}) as running:
        bad, good = score(running, entry(), entry(prompt="thing 2"))
    assert (bad["score"], bad["error"], good["score"]) == (None, "nothing to score", 1)


def test_a_transparent_image_is_scored_with_a_warning(mock: Serving) -> None:
    clear, opaque = picture((255, 0, 0, 10), mode="RGBA"), picture((255, 0, 0, 255), mode="RGBA")
    first, second = score(mock, entry(clear), entry(opaque))
    assert "transparent" in first["warning"]
    assert "warning" not in second


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", 422, "the body is not JSON"),
        (b"[" * 100_000, 422, "the body is not JSON"),
        (b"[]", 422, "the body is not a JSON object"),
        ({"images": []}, 422, "images"),
        ({"images": [{"prompt": "thing 3"}]}, 422, "images[0]: image is missing"),
        ({"images": [entry()] * 81}, 413, "81 images are more than the 80 of a request"),
        ({"images": [entry(prompt="thing 33")]}, 422, "images[0]: mock has no prompt 'thing 33'"),
        ({"images": [{"image": "x"}]}, 422, "images[0] has neither prompt, item nor metadata"),
        ({"images": [entry(metadata={})]}, 422, "images[0]: mock takes no metadata"),
        ({"images": [entry(other=1)]}, 422, "other"),
        (b"x" * 1_000_001, 413, "1 MB"),
    ],
)
def test_a_request_that_is_wrong_is_refused_in_one_line(mock: Serving, body: Any, status: int, error: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = mock.client.post("/score", content=content)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_sixty_four_clients_at_once_get_their_own_results(mock: Serving) -> None:
    def ask(number: int) -> bool:
        right = number % 3 == 0
        (result,) = score(mock, entry(picture("red" if right else "blue"), f"thing {number % 10}", id=number))
        return bool(result["id"] == number and result["score"] == right)

    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(ask, range(192)))


def test_a_full_queue_says_when_to_come_back(mock: Serving) -> None:
    with serving(started=False, room=4) as running, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(score, running, entry(id=number)) for number in range(4)]
        until("all images wait", lambda: running.service.queue.waiting == 4)
        refused = running.client.post("/score", json={"images": [entry()]})
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        running.service.start()
        assert [future.result()[0]["score"] for future in waiting] == [1] * 4
        assert score(running, entry())[0]["score"] == 1


def test_a_service_that_is_stopping_or_broken_says_so(mock: Serving) -> None:
    with serving() as running:
        running.service.queue.close("the service is stopping")
        refused = running.client.post("/score", json={"images": [entry()]})
    assert (refused.status_code, refused.json()["error"]) == (503, "the service is stopping")
    assert refused.headers["Retry-After"]


def test_health_identity_and_metrics(mock: Serving) -> None:
    score(mock, entry(), entry(""))
    assert mock.client.get("/health").json() == {"status": "ok", "rewards": {"mock": ["ok"]}}
    assert mock.client.get("/rewards").json() == {"rewards": ["mock"]}
    about = mock.client.get("/identity").json()
    assert about["identity"] == mock.service.identity_digest
    assert about["scorer"] == dict(mock.service.identity)
    text = mock.client.get("/metrics").text
    assert 'evalharness_requests_total{path="/score",status="200"}' in text
    assert 'evalharness_images_total{outcome="failed"}' in text
    assert "evalharness_images_waiting 0.0" in text
    assert mock.client.get("/nothing").status_code == 404


def test_a_client_that_leaves_disturbs_nobody(mock: Serving) -> None:
    with serving(started=False) as running:
        with pytest.raises(httpx.TimeoutException):
            running.client.post("/score", json={"images": [entry()]}, timeout=0.3)
        running.service.start()
        assert score(running, entry())[0]["score"] == 1


def test_a_scorer_that_is_not_the_announced_one_any_more_ends_the_service(mock: Serving) -> None:
    with serving(started=False) as running:
        spec = running.service.queue.worker_spec
        assert isinstance(spec, PluginWorkerSpec)
        running.service.queue.worker_spec = replace(spec, planned={"name": "another"})
        running.service.start()
        refused = running.client.post("/score", json={"images": [entry()]})
        assert refused.status_code == 503
        assert "no more can be scored: " in refused.json()["error"]
        health = running.client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "failed")
        assert running.client.post("/score", json={"images": [entry()]}).status_code == 503
