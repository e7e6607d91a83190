"""The scores of a store."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from evalharness.store.database import Database, as_store_error, storable
from evalharness.store.environments import DIGITS, StoredEnvironments
from evalharness.store.failures import forget
from evalharness.store.rows import checked, checked_score, parse_mapping, score_value
from evalharness.types.score import Score, ScoringTime

TIMED = 10_000
"""Number of scores whose seconds are averaged at most."""


class StoredScores:
    """The table ``scores``."""

    def __init__(self, database: Database, environments: StoredEnvironments) -> None:
        self._database, self._environments = database, environments

    def get(self, keys: Iterable[str]) -> dict[str, Score]:
        """Return the stored ones among ``keys``, without their details."""
        rows = self._database.select("SELECT key, value, reason FROM scores", keys)
        with as_store_error(self._database.path):
            return {
                row["key"]: Score(score_value(row["value"]), checked(str, row["reason"], "a reason")) for row in rows
            }

    def images(self) -> set[str]:
        """The digests of all images that have a score."""
        with self._database.guarded() as connection:
            return {row["image"] for row in connection.execute("SELECT DISTINCT image FROM scores")}

    def values(self, keys: Iterable[str]) -> Iterator[tuple[str, float, str, str | None, int | None]]:
        """Give the stored ones among ``keys``, of which sorted ones are the fastest.

        Yields:
            Key, value, reason, the digest of the environment, and the time; the last two are ``None`` where they were
            not recorded.
        """
        rows = self._database.select_tuples("SELECT key, value, reason, environment, made FROM scores", keys)
        with as_store_error(self._database.path):
            for row in rows:
                checked_score(row)
                key, value, *rest = row
                yield key, score_value(value), *rest

    def details(self, key: str) -> dict[str, Any]:
        """Return the details of a score; empty if it is not stored."""
        with self._database.guarded():
            for row in self._database.select("SELECT details FROM scores", [key]):
                return parse_mapping(row["details"])
        return {}

    def all(self) -> Iterator[tuple[str, str, Score]]:
        """Give every score: its key, the digest of its image, and the score with its details."""
        return self._database.scan("SELECT * FROM scores ORDER BY key", self._parse)

    def mean_seconds(self, scorer: str) -> tuple[int, float]:
        """Return how many scores of a scorer (digest of its identity) were timed, and the mean of their seconds.

        No more than :data:`TIMED` are read. Keys are digests, so these are a random choice.
        """
        select = "SELECT seconds FROM scores WHERE scorer = ? LIMIT ?"
        with self._database.guarded() as connection:
            seconds = [
                checked(float, row["seconds"], "seconds")
                for row in connection.execute(select, (scorer[:DIGITS], TIMED))
            ]
        return len(seconds), math.fsum(seconds) / len(seconds) if seconds else 0.0

    def add(self, key: str, image: str, score: Score) -> None:
        """Add a score, which replaces a failure of that key. Inside a batch."""
        with self._database.guarded() as connection:
            origin, details = self._environments.add(score.origin), json.dumps(dict(score.details))
            time = (None, None) if score.time is None else (score.time.scorer[:DIGITS], score.time.seconds)
            connection.execute(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (key, image, float(score.value), storable(score.reason), *origin, *time, details),
            )
            forget(self._database, key)

    def _parse(self, row: sqlite3.Row) -> tuple[str, str, Score]:
        origin = self._environments.origin(row["environment"], row["made"])
        time = None
        if row["scorer"] is not None:
            time = checked(ScoringTime, {"scorer": row["scorer"], "seconds": row["seconds"]}, "a scoring time")
        score = Score(score_value(row["value"]), _reason(row), parse_mapping(row["details"]), origin, time)
        return str(row["key"]), checked(str, row["image"], "an image"), score

    def delete(self, keys: Iterable[str]) -> None:
        """Remove scores. Inside a batch."""
        with self._database.guarded() as connection:
            connection.executemany("DELETE FROM scores WHERE key = ?", [(key,) for key in keys])


def _reason(row: sqlite3.Row) -> str:
    return checked(str, row["reason"], "the reason of a score")
