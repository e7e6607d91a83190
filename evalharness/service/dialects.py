"""The requests and answers of trainers that have a client of their own, as their public sources have them.

UniRL (``unirl/reward/remote.py`` of Tencent-Hunyuan/UniRL and the README of its reward service) and Flow-Factory
(``src/flow_factory/rewards/my_reward_remote.py`` of X-GenGroup/Flow-Factory).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from evalharness.service.wire import Scored

ECHOED = ("request_id", "sample_id", "group_id", "source_rank", "policy_version", "idempotency_key")
"""What UniRL wants back unchanged with each result."""


class Turn(BaseModel):
    """A prompt with the image that answers it; other media are ignored."""

    text: str = ""
    image_b64: str | None = None


class UniRLRequest(BaseModel):
    """One image of UniRL: that of the last turn. Keys that it may want back are kept."""

    model_config = {"extra": "allow"}

    history: list[Turn] = Field(min_length=1)
    required_rewards: list[str] = Field(min_length=1)
    metadata: dict[str, Any] | None = None

    @property
    def item(self) -> str | None:
        """The id of the benchmark's item, where the data set says it."""
        name = (self.metadata or {}).get("item")
        return name if isinstance(name, str) else None


class UniRLBody(BaseModel):
    """A request of UniRL to ``/score``."""

    requests: list[UniRLRequest] = Field(min_length=1)


class FlowFactoryBody(BaseModel):
    """A request of Flow-Factory to ``/compute``; other media are ignored."""

    prompt: list[str] = Field(min_length=1)
    image: list[str] = Field(min_length=1)


def unirl_answer(body: UniRLBody, scored: Sequence[Scored], benchmark: str, identity: str) -> dict[str, Any]:
    """Rewards by name, each with the value as its only metric; a failure is absent there and has an error."""
    values, errors, identities = [], [], []
    for request, image in zip(body.requests, scored, strict=True):
        rewards = {name: image.reward(name, benchmark) for name in request.required_rewards}
        values.append({name: {name: value} for name, value in rewards.items() if value is not None})
        errors.append({name: image.error for name, value in rewards.items() if value is None})
        echoed = {key: (request.model_extra or {}).get(key) for key in ECHOED}
        identities.append({**echoed, "scorer_version": identity})
    return {"protocol_version": "1", "results": values, "errors": errors, "identities": identities}


def flow_factory_answer(scored: Sequence[Scored], name: str, benchmark: str) -> str:
    """JSON with a number for each image; its client makes a tensor of them, so a failure is NaN."""
    rewards = [image.reward(name, benchmark) for image in scored]
    return json.dumps({"rewards": [math.nan if value is None else value for value in rewards]})
