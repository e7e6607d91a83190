"""The environments in which the results of a store were made, each kept once."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

from evalharness.store.database import Database
from evalharness.store.rows import checked, checked_origin, parse_mapping
from evalharness.types.origin import Origin

DIGITS = 16
"""Digits of SHA-256 that rows refer to an environment by."""


class StoredEnvironments:
    """The table ``environments``. Trajectories and scores refer to its rows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._texts: dict[str, str] = {}
        """The texts of environments that are known to be stored, by digest."""
        self._added: dict[str, str] = {}
        """The digests of environments, by text, that were added in the transaction of this number."""
        self._transaction = database.ended

    def add(self, origin: Origin | None) -> tuple[str | None, int | None]:
        """Add an origin's environment, once in a batch. Inside a batch.

        Returns:
            What a row keeps of the origin: the digest of the environment, and the time.
        """
        if origin is None:
            return None, None
        with self._database.guarded() as connection:
            if self._transaction != self._database.ended:  # what an earlier one added may have been undone
                self._transaction, self._added = self._database.ended, {}
            digest = self._added.get(origin.environment)
            if digest is None:
                digest = hashlib.sha256(origin.environment.encode()).hexdigest()[:DIGITS]
                connection.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (digest, origin.environment))
                self._added[origin.environment] = digest
        return digest, origin.made

    def origin(self, digest: str | None, made: int | None) -> Origin | None:
        """The inverse of :meth:`add`.

        Raises:
            sqlite3.DatabaseError: The environment is missing.
        """
        checked_origin(digest, made)
        if digest is None or made is None:
            return None
        if digest not in self._texts:
            self._texts.update(self._all())
        if digest not in self._texts:
            raise sqlite3.DatabaseError(f"environment {digest} is missing")
        return Origin(self._texts[digest], made)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return all environments by digest; their keys are those of ``evalharness._util.environment.described``."""
        with self._database.guarded():
            return {digest: _parse(text) for digest, text in self._all().items()}

    def _all(self) -> dict[str, str]:
        with self._database.guarded() as connection:
            return {row["digest"]: row["info"] for row in connection.execute("SELECT * FROM environments")}


def _parse(text: str) -> dict[str, Any]:
    info = parse_mapping(text)
    info["versions"] = checked(dict[str, str], info.get("versions", {}), "the versions of an environment")
    info["plugins"] = checked(dict[str, str], info.get("plugins", {}), "the plugins of an environment")
    for name in info.keys() - {"versions", "plugins"}:
        checked(str, info[name], f"{name} of an environment")
    return info
