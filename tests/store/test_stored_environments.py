"""Environments are written once in a transaction, and again after one that was undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalharness.store.store import Store
from evalharness.types.origin import Origin
from evalharness.types.score import Score

HERE, AWAY = Origin('{"host": "here"}', 1), Origin('{"host": "away"}', 2)


def test_a_batch_writes_an_environment_once(tmp_path: Path) -> None:
    statements: list[str] = []
    with Store(tmp_path) as store:
        store.database.connection.set_trace_callback(statements.append)
        for batch in range(2):
            with store.batch():
                for number in range(20):
                    store.scores.add(f"{batch} {number}", "image", Score(1.0, origin=(HERE, AWAY)[number % 2]))
        assert len(store.environments.all()) == 2
        assert {score.origin for _, _, score in store.scores.all()} == {HERE, AWAY}
    assert sum("INTO environments" in statement for statement in statements) == 4


def test_an_environment_that_was_undone_is_written_again(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        with pytest.raises(ValueError, match="undone"), store.database.transaction():
            store.scores.add("undone", "image", Score(1.0, origin=HERE))
            raise ValueError("undone")
        assert store.environments.all() == {}
        with store.batch():
            store.scores.add("kept", "image", Score(1.0, origin=HERE))
    with Store(tmp_path, write=False) as store:
        assert [(key, score.origin) for key, _, score in store.scores.all()] == [("kept", HERE)]
