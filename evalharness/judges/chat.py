"""Chat completions: the request for a judge prompt, and the reply in its response."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from typing import Any

from evalharness.api.judge import JudgePrompt
from evalharness.api.spoken import answer_of, describe_reply, outcome_of
from evalharness.errors import SampleError
from evalharness.http.bodies import json_object, usage_in
from evalharness.http.budget import Budget
from evalharness.http.calls import Calls
from evalharness.http.failure import EndpointFailure
from evalharness.http.redact import redact
from evalharness.judges.chat_settings import ChatSettings
from evalharness.judges.completion import read_completion, read_probability
from evalharness.judges.sent_images import red_square
from evalharness.types.reply import Reply

PATH = "/chat/completions"
ADVICE = (
    (r"max_completion_tokens", "set token_limit: max_completion_tokens"),
    (r"\btemperature\b", "set temperature: null if it takes none"),
    (r"image|too large|payload", "image_format: jpeg and image_max_side make images smaller"),
)
"""Words in the rejection of a request, and what to do about it."""
TEXT_FIELDS = ("text", "finish_reason", "refusal", "reasoning", "model")
PING = JudgePrompt(
    [{"role": "user", "content": [{"type": "text", "text": "Which colour is this? One word."}, red_square()]}],
    image="",
    rubric="",
    max_tokens=1000,
)
"""A question about a picture, with room for thoughts."""


class Chat(Calls[JudgePrompt, Reply]):
    """Calls to a judge."""

    settings: ChatSettings

    def __init__(self, settings: ChatSettings, budget: Budget) -> None:
        super().__init__(settings, budget)
        self.settings = settings

    async def ask(self, request: JudgePrompt) -> Reply | EndpointFailure:
        start = time.monotonic()
        try:
            sent = await self._body(request)
        except SampleError as error:
            return EndpointFailure("leave", str(error))
        body = await self.text("post", PATH, sent)
        if isinstance(body, EndpointFailure):
            return _advised(replace(body, cost=self._billed(body.body)))
        return self._read(request, body, time.monotonic() - start)

    async def _body(self, request: JudgePrompt) -> dict[str, Any]:
        """The JSON of a request; images are encoded in a thread, so that other calls go on."""
        if self.settings.changes_images:
            return await asyncio.to_thread(self.settings.body, request)
        return self.settings.body(request)

    def cost(self, answer: Reply) -> float | None:
        return answer.cost if answer.prompt_tokens + answer.completion_tokens else None

    def silence(self, answer: Reply) -> EndpointFailure | None:
        """A refusal or a content filter is about the question; any other reply without an answer is not."""
        if answer_of(answer).strip():
            return None
        wanted = outcome_of(answer) not in ("refused", "filtered")
        return EndpointFailure("leave", f"a reply {describe_reply(answer)}", about_content=not wanted)

    async def problem(self) -> str | None:
        """Why no prompt would be answered, or ``None``; found by a question about a picture.

        The list of models decides nothing: it may be missing, or closed to the key, or longer than what works.
        """
        outcome = await self.ask(PING)
        if isinstance(outcome, EndpointFailure):
            names = await self.missing_model() if outcome.status in (400, 404) else None
            hint = self.did_you_mean(names) if isinstance(names, list) else ""
            wrong_place = "; base_url usually ends in /v1" if not outcome.status and outcome.body else ""
            return outcome.reason + hint + wrong_place
        silence = self.silence(outcome)
        return None if silence is None else f"a question about a picture got {silence.reason}"

    def _read(self, request: JudgePrompt, body: str, seconds: float) -> Reply | EndpointFailure:
        reply = read_probability(body, request.answers) if request.answers else read_completion(body)
        if reply is None:
            shown = self.clean(body)
            wanted = "log probabilities" if request.answers else "chat completion"
            return EndpointFailure("again", f"the endpoint sent no {wanted} but {shown!r}", open=True, body=body)
        redacted: dict[str, Any] = {name: redact(getattr(reply, name), self.key) for name in TEXT_FIELDS}
        return replace(reply, **redacted, cost=self.settings.cost(reply), seconds=seconds)

    def _billed(self, body: str) -> float | None:
        """Dollars that an error cost, if it says that tokens were used."""
        usage = usage_in(json_object(body) or {})
        return self.settings.cost(usage) if usage else None


def _advised(failure: EndpointFailure) -> EndpointFailure:
    """Add what to set to the rejection of a request whose form the model does not take."""
    if failure.status not in (400, 413, 422) or failure.about_content:
        return failure
    for words, advice in ADVICE:
        if re.search(words, failure.reason, re.IGNORECASE):
            return replace(failure, reason=f"{failure.reason} ({advice})")
    return failure
