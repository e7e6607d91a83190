"""GenEval as a service: the verdicts of a sweep's scorer, for prompts of its own and for those of others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fences import ROOT, blocks
from score_service import Serving, encoded, serving

import evalharness as eh
from evalharness._util.image_files import png_bytes
from evalharness.api.benchmark import KnownAnswer
from evalharness.assets.weights_folder import embedded_weights
from evalharness.benchmarks.geneval.benchmark import GenEval

pytest.importorskip("fastapi")
pytestmark = pytest.mark.skipif(
    not all(embedded_weights(name).is_dir() for name in ("detector", "clip")), reason="no embedded weights"
)


@pytest.fixture(scope="module")
def geneval() -> Iterator[Serving]:
    with serving("geneval") as running:
        yield running


@pytest.fixture(scope="module")
def answers() -> list[KnownAnswer]:
    return GenEval(GenEval.Settings()).known_answers()


def test_verdicts_and_details_are_those_of_the_scorer(geneval: Serving, answers: list[KnownAnswer]) -> None:
    entries = [
        {"image": encoded(png_bytes(answer.image)), "metadata": answer.item.metadata, "id": index}
        for index, answer in enumerate(answers)
    ]
    answer = geneval.client.post("/score", json={"images": entries, "details": True}).json()
    scorer = eh.scorer("geneval")
    items = [known.item for known in answers]
    expected = asyncio.run(scorer.score_async([known.image for known in answers], items))
    results: list[dict[str, Any]] = answer["results"]
    assert [result["score"] for result in results] == [score.value for score in expected]
    known = [answer.correct for answer in answers]
    assert [result["score"] == 1 for result, right in zip(results, known, strict=True) if right is not None] == [
        right for right in known if right is not None
    ]
    assert [result["reason"] for result in results] == [score.reason for score in expected]
    assert [result["rewards"] for result in results] == scorer.rewards(items, expected)
    assert [[found["class"] for found in result["details"]["detections"]] for result in results] == [
        [found["class"] for found in score.details["detections"]] for score in expected
    ]
    assert answer["identity"] == geneval.service.identity_digest
    assert geneval.client.get("/rewards").json() == {"rewards": ["geneval", "soft", "strict"]}


def test_a_prompt_of_the_553_needs_no_metadata_and_another_one_does(
    geneval: Serving, answers: list[KnownAnswer]
) -> None:
    image = encoded(png_bytes(answers[0].image))
    ask = geneval.client.post
    official = ask("/score", json={"images": [{"image": image, "prompt": "a photo of a bench"}]}).json()
    assert official["results"][0]["tag"] == "single_object"
    other = ask("/score", json={"images": [{"image": image, "prompt": "a photo of a blue unicorn"}]})
    assert (other.status_code, "give its metadata, too" in other.json()["error"]) == (422, True)
    wrong = {"tag": "colors", "prompt": "x", "include": [{"class": "dragon", "count": 1}]}
    refused = ask("/score", json={"images": [{"image": image, "metadata": wrong}]})
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("images[0]: ")
    assert "dragon" in refused.json()["error"]


def test_the_client_in_the_docs(geneval: Serving, answers: list[KnownAnswer]) -> None:
    """It is what users of trainers with pickle are told to use."""
    client, in_process = blocks(ROOT / "docs" / "service.md", "python")
    names: dict[str, Any] = {}
    exec(compile(client, "docs/service.md", "exec"), names)
    exec(compile(in_process, "docs/service.md", "exec"), {})
    url = str(geneval.client.base_url.join("/score"))
    images, metadatas = [answer.image for answer in answers], [answer.item.metadata for answer in answers]
    scores = names["geneval_rewards"](images, metadatas, url=url, reward="score")
    for reward in ("soft", "strict"):
        rewards = names["geneval_rewards"](images, metadatas, url=url, reward=reward)
        assert len(rewards) == len(scores)
        assert all((value == 1) <= (score == 1) for value, score in zip(rewards, scores, strict=True))
