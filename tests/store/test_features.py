"""Features of images in a store: as they were added, merged, removed with their images, and never damaged unseen."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.errors import StoreError
from evalharness.store.garbage import remove_garbage
from evalharness.store.merge import merge_stores
from evalharness.store.schema import SCHEMA_VERSION
from evalharness.store.store import Store

CLIP, OTHER = {"name": "clip", "weights": "a"}, {"name": "clip", "weights": "b"}
IMAGES = ["1" * 64, "2" * 64]


def unit(*numbers: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    vector = np.array(numbers)
    return vector / np.linalg.norm(vector)


def filled(path: Path) -> Path:
    with Store(path) as store:
        store.features.add(CLIP, {IMAGES[0]: unit(1, 2, 3), IMAGES[1]: unit(3, 1, 0)})
        store.features.add(OTHER, {IMAGES[0]: unit(0, 1)})
    return path


def test_encoders_have_features_of_their_own(tmp_path: Path) -> None:
    with Store(filled(tmp_path / "s"), write=False) as store:
        assert store.features.known(CLIP, [*IMAGES, "3" * 64]) == set(IMAGES)
        assert store.features.known(OTHER, IMAGES) == {IMAGES[0]}
        found = store.features.get(CLIP, IMAGES)
    assert np.allclose(found[IMAGES[1]], unit(3, 1, 0), atol=1e-3)


@given(numbers=st.lists(st.floats(-1, 1), min_size=1, max_size=40).filter(lambda n: max(map(abs, n)) > 0.01))
def test_a_vector_has_length_1_and_hardly_turns(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    vector = unit(*numbers)
    with Store(tmp_path_factory.mktemp("s")) as store:
        store.features.add(CLIP, {IMAGES[0]: vector})
        found = store.features.get(CLIP, IMAGES)[IMAGES[0]]
    assert np.linalg.norm(found) == pytest.approx(1)
    assert found @ vector == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0" * 3, b"\xff\xff" * 3, "text", None, 3])
def test_a_damaged_vector_is_one_line(tmp_path: Path, data: object) -> None:
    path = filled(tmp_path / "s")
    with contextlib.closing(sqlite3.connect(path / "store.sqlite")) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        with contextlib.suppress(sqlite3.IntegrityError):
            db.execute("UPDATE features SET vector = ?", (data,))
        if data is None:
            db.execute("UPDATE features SET vector = zeroblob(6)")
    with Store(path, write=False) as store, pytest.raises(StoreError, match="is damaged: the features of an image"):
        store.features.get(CLIP, IMAGES)


def test_vectors_of_different_lengths_are_damage(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.features.add(CLIP, {IMAGES[0]: unit(1, 2), IMAGES[1]: unit(1, 2, 3)})
        with pytest.raises(StoreError, match="different lengths"):
            store.features.get(CLIP, IMAGES)


def test_a_merge_brings_them_and_keeps_what_is_there(tmp_path: Path) -> None:
    source, into = filled(tmp_path / "source"), tmp_path / "into"
    with Store(into) as store:
        store.features.add(CLIP, {IMAGES[0]: unit(1, 0, 0)})
    merge_stores([source], into)
    with Store(into, write=False) as store:
        assert store.features.get(CLIP, IMAGES)[IMAGES[0]].tolist() == [1, 0, 0]
        assert len(list(store.features.all())) == 3


def test_they_go_with_their_images(tmp_path: Path) -> None:
    path = filled(tmp_path / "s")
    garbage, _ = remove_garbage(path)
    assert len(garbage.feature_rows) == 3
    with Store(path, write=False) as store:
        assert list(store.features.all()) == []


@pytest.mark.parametrize("write", [False, True])
def test_the_seventh_schema_had_none(tmp_path: Path, write: bool) -> None:
    path = filled(tmp_path / "s")
    with contextlib.closing(sqlite3.connect(path / "store.sqlite")) as db, db:
        db.execute("DROP TABLE features")
        db.execute("PRAGMA user_version = 7")
    with Store(path, write=write) as store:
        assert store.features.get(CLIP, IMAGES) == {}
        assert store.database.version == (SCHEMA_VERSION if write else 7)
