"""The judge ``replay``: replies that another judge gave in an earlier run, so that nobody need pay for them again."""

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
"""The key of an identity by which it is known for one of a replay."""


class Replay(Judge):
    """Answers from a file that ``evalharness export-replies`` wrote."""

    class Settings(BaseModel):
        """``judge`` is needed where the file holds replies of several: a model's name, or the start of a digest."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        path: Path
        judge: str | None = None

    name = "replay"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._given: Counter[str] = Counter()

    def identity(self) -> Mapping[str, Any]:
        """``judge`` is the identity of the judge that gave the replies, ``replayed_from`` the file's SHA-256."""
        return {
            "name": self.name,
            "judge": dict(self._recorded.identity),
            REPLAYED_FROM: file_digest(self.settings.path),
        }

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """As of :class:`~evalharness.api.judge.Judge`: for each time that a question is asked, its next reply."""
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
            ConfigError: what is wrong with it.
        """
        self.identity()

    @cached_property
    def _replies(self) -> dict[str, list[Reply]]:
        return self._recorded.replies()

    @cached_property
    def _recorded(self) -> recorded.Recorded:
        judges = recorded.read(self.settings.path)
        wanted = self.settings.judge
        if wanted is None:
            found = list(judges)
        else:
            found = [key for key, one in judges.items() if wanted == called(one.identity) or key.startswith(wanted)]
        if len(found) == 1:
            return judges[found[0]]
        known = ", ".join(f"{called(one.identity)!r} ({key[:8]})" for key, one in judges.items())
        asked = f"judge {wanted!r} is {'none' if not found else 'more than one'}" if wanted else "say with judge: which"
        raise ConfigError(f"{self.settings.path} holds replies of {len(judges)} judges, {asked} of {known}")


def called(identity: Mapping[str, Any]) -> str:
    """A judge's model, or else its name."""
    inner = identity.get("judge")
    if isinstance(inner, Mapping):
        return called(inner)
    return str(identity.get("model") or identity.get("name") or "unnamed")
