"""The model ``images-api`` at an endpoint on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from judge_server import Call

from evalharness.api.model import ImageRequest
from evalharness.models.images_api import ImagesAPI

KEY = "sk-planted-q7Vx0mTz4RkE9wLbXYZ"
SEED = 5801411244348307142


def model(url: str, **settings: Any) -> ImagesAPI:
    given = {"model": "painter-1", "base_url": url, "backoff": 0.01, "key_env": "IMAGES_KEY", **settings}
    return ImagesAPI(ImagesAPI.Settings.model_validate_json(json.dumps(given), strict=True))


def requests(count: int) -> Iterator[tuple[int, ImageRequest]]:
    return ((number, ImageRequest(f"thing {number}", SEED + number)) for number in range(count))


def made_by(images_model: ImagesAPI, count: int = 1) -> dict[int, Any]:
    return dict(images_model.generate(requests(count)))


def number_of(call: Call) -> int:
    return int(call.body["prompt"].rsplit(" ", 1)[1])
