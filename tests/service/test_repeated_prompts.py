"""Prompts that stand for several items, in the service and in Python: none is scored as another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from score_service import Serving, encoded, picture, serving

import evalharness as eh
from evalharness.errors import ConfigError

pytest.importorskip("fastapi")
PROMPT = "make it green"
REPEATED = f"the prompt {PROMPT!r} of edits stands for 2 items; name one by its id ('first', 'second')"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Edits of two pictures by one instruction, and of one of them by another."""
    folder = tmp_path_factory.mktemp("edits")
    for color in ("red", "blue"):
        Image.new("RGB", (64, 64), color).save(folder / f"{color}.png")
    edits = [("first", PROMPT, "red"), ("second", PROMPT, "blue"), ("third", "make it gray", "red")]
    lines = [json.dumps({"id": name, "prompt": prompt, "image": f"{color}.png"}) for name, prompt, color in edits]
    (folder / "edits.jsonl").write_text("\n".join(lines))
    judge = {"name": "mock", "replies": ["Followed: 10\nKept: 10"]}
    return {"prompts": folder / "edits.jsonl", "judge": judge}


@pytest.fixture(scope="module")
def edits(settings: dict[str, Any]) -> Iterator[Serving]:
    with serving("edits", settings) as running:
        yield running


def status(edits: Serving, **entry: Any) -> tuple[int, str | None]:
    answer = edits.client.post("/score", json={"images": [{"image": encoded(picture()), **entry}]})
    return answer.status_code, answer.json().get("error")


def test_an_item_is_named_by_its_id(edits: Serving, settings: dict[str, Any]) -> None:
    for name, color in (("first", "red"), ("second", "blue")):
        item = edits.service.item(PROMPT, None, "images[0]", name)
        assert item.picture is not None
        assert item.picture.path == Path(settings["prompts"]).parent / f"{color}.png"
        assert status(edits, item=name) == (200, None)
    assert status(edits, prompt="make it gray") == (200, None)


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"prompt": PROMPT}, REPEATED),
        ({"prompt": PROMPT, "metadata": {"id": "first"}}, "edits takes no metadata; name its item by prompt or item"),
        ({"item": "fourth"}, "edits has no item 'fourth'; its ids are such as 'first'"),
        ({"item": "third", "prompt": PROMPT}, "item 'third' has another prompt: 'make it gray'"),
    ],
)
def test_what_names_no_item_is_refused(edits: Serving, entry: dict[str, Any], error: str) -> None:
    assert status(edits, **entry) == (422, f"images[0]: {error}")


def test_trainers_with_a_client_of_their_own(edits: Serving) -> None:
    turn, asked = {"text": PROMPT, "image_b64": encoded(picture())}, {"required_rewards": ["edits"]}
    for metadata, error in (({"item": "first"}, None), ({"any": "thing"}, f"requests[0]: {REPEATED}")):
        request = {"history": [turn], "metadata": metadata, **asked}
        assert edits.client.post("/score", json={"requests": [request]}).json().get("error") == error
    answer = edits.client.post("/compute", json={"prompt": [PROMPT], "image": [encoded(picture())]})
    assert (answer.status_code, answer.json()["error"]) == (422, f"prompt[0]: {REPEATED}")


def test_python(settings: dict[str, Any]) -> None:
    scorer, image = eh.scorer("edits", **settings), Image.new("RGB", (64, 64))
    with pytest.raises(ConfigError, match="stands for 2 items"):
        scorer.score([image], [PROMPT])
    assert [score.value for score in scorer.score([image] * 2, [scorer.item("first"), "make it gray"])] == [1, 1]


def test_a_checklist_asks_the_questions_of_the_item_that_is_named(tmp_path: Path) -> None:
    lines = [{"id": name, "prompt": "a dog", "questions": [{"question": f"Is it {name}?"}]} for name in ("red", "blue")]
    (tmp_path / "checklist.jsonl").write_text("\n".join(map(json.dumps, lines)))
    scorer = eh.scorer("checklist", prompts=tmp_path / "checklist.jsonl", judge="mock")
    with pytest.raises(ConfigError, match=r"'a dog' of benchmark 'checklist' stands for 2 items"):
        scorer.score([Image.new("RGB", (64, 64))], ["a dog"])
    assert "blue" in str(scorer.item("blue").metadata)
