"""The judge ``replay``: repeats the replies that another judge gave in an earlier run, at no cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness._util.file_digests import file_digest
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.errors import ConfigError, SampleError
from evalharness.judges import recorded
from evalharness.types.reply import Reply

REPLAYED_FROM = "replayed_from"
"""A key that only the identities of replays have."""


class Replay(Judge):
    """Answers from a file that ``evalharness export-replies`` wrote."""

    class Settings(BaseModel):
        """The file of replies.

        Attributes:
            path: The file.
            judge: Which judge's replies to use, if the file holds those of several: the name of its model, or the
                first characters of the digest of its identity.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        path: Path
        judge: str | None = None

    name = "replay"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._given: Counter[str] = Counter()

    def identity(self) -> Mapping[str, Any]:
        """``judge`` is the identity of the judge that gave the replies; ``replayed_from`` is the file's SHA-256."""
        return {
            "name": self.name,
            "judge": dict(self._recorded.identity),
            REPLAYED_FROM: file_digest(self.settings.path),
        }

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """Answer each prompt with its next reply in the file; see :class:`~evalharness.api.judge.Judge`."""
        for number, prompt in prompts:
            key = prompt.key()
            replies = self._replies.get(key, [])
            nth = max(self._given[key], prompt.tried)
            self._given[key] = nth + 1
            if nth < len(replies):
                yield number, replies[nth]
            elif replies:
                yield number, SampleError(f"{self.settings.path.name} has {len(replies)} replies to this, no more")
            else:
                yield number, SampleError(f"{self.settings.path.name} has no reply to this question about this image")

    def reachable(self) -> None:
        """Read the file.

        Raises:
            ConfigError: The file is missing or invalid, or it is not clear which judge to replay.
        """
        self.identity()

    @cached_property
    def _replies(self) -> dict[str, list[Reply]]:
        return self._recorded.replies()

    @cached_property
    def _recorded(self) -> recorded.Recorded:
        judges = recorded.read(self.settings.path)
        chosen = self.settings.judge
        matches = [
            digest
            for digest, judge in judges.items()
            if chosen is None or chosen == judge_name(judge.identity) or digest.startswith(chosen)
        ]
        if len(matches) == 1:
            return judges[matches[0]]
        names = ", ".join(f"{judge_name(judge.identity)!r} ({digest[:8]})" for digest, judge in judges.items())
        if chosen is None:
            problem = "say with judge: which"
        else:
            problem = f"judge {chosen!r} is {'more than one' if matches else 'none'}"
        raise ConfigError(f"{self.settings.path} holds replies of {len(judges)} judges, {problem} of {names}")


def judge_name(identity: Mapping[str, Any]) -> str:
    """The name of a judge's model, or else of the judge; for a replay, that of the judge whose replies it repeats."""
    inner = identity.get("judge")
    if isinstance(inner, Mapping):
        return judge_name(inner)
    return str(identity.get("model") or identity.get("name") or "unnamed")
