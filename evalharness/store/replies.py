"""The replies of judges in a store."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from evalharness.api.judge import JudgePrompt, reply_key
from evalharness.api.spoken import outcome_of
from evalharness.store.database import Database, as_store_error
from evalharness.store.rows import checked, parse_json
from evalharness.types.reply import Reply
from evalharness.types.spent import Spent

ReplyOrigin: TypeAlias = tuple[str, str, str, str, int]
"""The origin of a reply: the digests of question, judge, image and rubric, and the number of the repeat."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply with what it answers; ``judge`` is the digest of the judge's identity."""

    question: str
    attempt: int
    judge: str
    image: str
    rubric: str
    repeat: int
    reply: Reply


@dataclass(slots=True)
class JudgeUsage:
    """What a judge's replies add up to.

    Attributes:
        models: Name of each model that answered, as the endpoint says it → number of its replies.
        outcomes: What the replies are, see :data:`~evalharness.api.spoken.Outcome` → their number.
    """

    replies: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    models: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, reply: Reply) -> None:
        """Count a reply."""
        self.replies += 1
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        self.cost += reply.cost
        self.outcomes[outcome_of(reply)] += 1
        if reply.model:
            self.models[reply.model] += 1


class StoredReplies:
    """The table ``replies``, a :class:`~evalharness.api.judge.Replies`. Each reply is committed at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> list[Reply]:
        """Return the replies of a key in the order of the attempts."""
        rows = self._database.select("SELECT reply FROM replies", [key], order="ORDER BY attempt")
        with self._database.guarded():
            return [_reply(row["reply"]) for row in rows]

    def about(self, images: Iterable[str]) -> Iterator[StoredReply]:
        """Give all replies about images (digests), by question and attempt."""
        rows = self._database.select(
            "SELECT question, attempt, judge, image, rubric, repeat, reply FROM replies",
            images,
            column="image",
            order="ORDER BY question, judge, attempt",
        )
        with as_store_error(self._database.path):
            for row in rows:
                yield checked(StoredReply, dict(row) | {"reply": _reply(row["reply"])}, "a reply")

    def rename_judge(self, former: str, present: str) -> int:
        """Give the replies of a judge's former identity the keys of its present one (digests of both).

        Returns:
            The number of replies that have a new key. Those to a question that the present identity answered stay.
        """
        with self._database.batch() as connection:
            questions = connection.execute("SELECT DISTINCT question FROM replies WHERE judge = ?", (former,))
            keys = [(reply_key(former, question), reply_key(present, question)) for (question,) in questions.fetchall()]
            renamed = connection.executemany(
                "UPDATE replies SET key = ?, judge = ? WHERE key = ? AND NOT EXISTS "
                "(SELECT 1 FROM replies WHERE key = ?)",
                [(new, present, old, new) for old, new in keys],
            )
        return max(renamed.rowcount, 0)

    def known(self, images: Iterable[str]) -> dict[str, list[Reply]]:
        """Return all replies about images (digests) by the keys of :meth:`get`."""
        replies: dict[str, list[Reply]] = {}
        for stored in self.about(images):
            replies.setdefault(reply_key(stored.judge, stored.question), []).append(stored.reply)
        return replies

    def all(self) -> Iterator[tuple[str, ReplyOrigin, Reply]]:
        """Give every reply as :meth:`put` takes it, the attempts of a key in their order."""
        return self._database.scan("SELECT * FROM replies ORDER BY key, attempt", _parse_reply)

    def usage(self, judge: str, rubric: str, images: Collection[str]) -> JudgeUsage:
        """Sum up a judge's replies about images."""
        select = "SELECT image, reply FROM replies WHERE judge = ? AND rubric = ?"
        usage = JudgeUsage()
        with self._database.guarded() as connection:
            for row in connection.execute(select, (judge, rubric)):
                if row["image"] in images:
                    usage.add(_reply(row["reply"]))
        return usage

    def spent(self, judge: str) -> Spent:
        """Return what all replies of a judge (digest of its identity) cost."""
        with self._database.guarded() as connection:
            rows = connection.execute("SELECT reply FROM replies WHERE judge = ?", (judge,))
            costs = [_reply(row["reply"]).cost for row in rows]
        return Spent(len(costs), math.fsum(costs))

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        """Add a judge's next reply to a prompt."""
        self.put(key, (prompt.key(), judge, prompt.image, prompt.rubric, prompt.repeat), reply)

    def delete(self, key: str) -> None:
        """Remove all replies of a key."""
        with self._database.batch() as connection:
            connection.execute("DELETE FROM replies WHERE key = ?", (key,))

    def put(self, key: str, origin: ReplyOrigin, reply: Reply) -> None:
        """Add a reply by the digests of what it answers."""
        insert = f"INSERT INTO replies VALUES (?, (SELECT count(*) FROM replies WHERE key = ?){', ?' * 6})"
        with self._database.batch() as connection:
            connection.execute(insert, (key, key, *origin, json.dumps(asdict(reply))))


def _parse_reply(row: sqlite3.Row) -> tuple[str, ReplyOrigin, Reply]:
    values = (row["question"], row["judge"], row["image"], row["rubric"], row["repeat"])
    origin = checked(tuple[str, str, str, str, int], values, "a reply")
    return str(row["key"]), origin, _reply(row["reply"])


def _reply(text: str) -> Reply:
    return checked(Reply, parse_json(text), "a reply")
