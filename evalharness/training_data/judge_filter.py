"""The filter ``judge``: asks any judge plugin whether a picture shows what it should."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from evalharness._util.hashing import digest
from evalharness._util.image_files import png_bytes
from evalharness.api.judge import JudgePrompt
from evalharness.api.plugin_ref import JudgeRef
from evalharness.api.spoken import answer_of, outcome_of
from evalharness.errors import SampleError
from evalharness.training_data.filters import Case, Filter, Verdict
from evalharness.types.reply import Reply

RUBRIC = (
    "The picture should show this and nothing else: {description}. It is a step towards: {prompt}. "
    "Does it? Answer in one line, Score: 1 if all of it is right, else Score: 0. If it is not, say in one more line "
    "what is wrong, beginning with Wrong: and naming things, numbers, colours and places."
)
_SCORE = re.compile(r"\bscore\W{0,6}([01])\b(?![./]\d)", re.IGNORECASE)
_WRONG = re.compile(r"^\W*wrong\W*:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_MARKERS = re.compile(r"[<>\r\n]+")


class JudgeFilter(Filter):
    """Accepts a picture if the judge does; the judge's reason against one becomes the text of an inspection."""

    class Settings(BaseModel):
        """Settings of the filter.

        Attributes:
            judge: A plugin and its settings.
            rubric: The question, with the placeholders ``{prompt}`` and ``{description}``; ``None``: :data:`RUBRIC`.
            system: A system message before it, if not empty.
            max_tokens: Limit of the reply.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        judge: JudgeRef = Field(default_factory=lambda: JudgeRef.model_validate("lm-eval"))
        rubric: str | None = None
        system: str = ""
        max_tokens: int = Field(default=256, ge=1)

        @field_validator("rubric")
        @classmethod
        def _has_its_places(cls, rubric: str | None) -> str | None:
            if rubric is None:
                return None
            try:
                filled = rubric.format(prompt="\0", description="\1")
            except (KeyError, IndexError, ValueError):
                raise ValueError("a rubric has the places {prompt} and {description} and no others") from None
            if "\1" not in filled:
                raise ValueError("a rubric without {description} asks about nothing")
            return rubric

    name = "judge"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()
        self.judge = self.settings.judge.build()

    def identity(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "judge": dict(self.judge.identity()),
            "rubric": self._rubric_digest,
            "max_tokens": self.settings.max_tokens,
        }

    @property
    def _rubric(self) -> str:
        return self.settings.rubric or RUBRIC

    @property
    def _rubric_digest(self) -> str:
        return digest([self.settings.system, self._rubric])

    def check(self, cases: Sequence[Case]) -> list[Verdict | None]:
        """Return one verdict per case; ``None`` if the judge's reply has no score."""
        verdicts: list[Verdict | None] = [None] * len(cases)
        for number, reply in self.judge.ask(enumerate(map(self._prompt, cases))):
            verdicts[number] = None if isinstance(reply, SampleError) else read_reply(reply)
        return verdicts

    def _prompt(self, case: Case) -> JudgePrompt:
        png = png_bytes(case.image)
        url = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
        text = self._rubric.format(prompt=case.prompt, description=case.description)
        messages: list[Mapping[str, Any]] = []
        if self.settings.system:
            messages.append({"role": "system", "content": self.settings.system})
        content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
        messages.append({"role": "user", "content": content})
        return JudgePrompt(messages, hashlib.sha256(png).hexdigest(), self._rubric_digest, self.settings.max_tokens)


def read_reply(reply: Reply) -> Verdict | None:
    """The verdict of a reply; ``None`` if it is cut off, has no score outside its thoughts, or contradicts itself.

    >>> read_reply(Reply("Score: 0\\nWrong: the cup is blue, not red"))
    Verdict(right=False, conflict=None, reason='the cup is blue, not red', seen=None)
    >>> read_reply(Reply("it depends")) is None
    True
    """
    answer = answer_of(reply)
    scores = set(_SCORE.findall(answer)) if outcome_of(reply) == "answered" else set()
    if len(scores) != 1:
        return None
    wrong = _WRONG.search(answer)
    reason = _MARKERS.sub(" ", wrong[1]).strip() if wrong else ""
    return Verdict(scores == {"1"}, None, reason)
