"""The features of a store's images: what an image encoder makes of them, computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from evalharness._util.hashing import digest
from evalharness.errors import StoreError
from evalharness.store.database import Database

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vector: TypeAlias = "NDArray[np.floating[Any]]"


class StoredFeatures:
    """The table ``features``: vectors as float16, whose rounding moves a cosine by about 0.00001."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, encoder: Mapping[str, Any], images: Iterable[str]) -> set[str]:
        """The digests among ``images`` that have features of an encoder, which its identity names."""
        keys = _keys(encoder, images)
        return {keys[key] for (key,) in self._database.select_tuples("SELECT key FROM features", sorted(keys))}

    def get(self, encoder: Mapping[str, Any], images: Iterable[str]) -> dict[str, Vector]:
        """The features of images by their digests, of length 1; without those that have none.

        Raises:
            StoreError: The store is damaged.
        """
        keys = _keys(encoder, images)
        rows = self._database.select_tuples("SELECT key, vector FROM features", sorted(keys))
        vectors = {keys[key]: self._vector(data) for key, data in rows}
        if len({len(vector) for vector in vectors.values()}) > 1:
            raise StoreError(f"{self._database.path} is damaged: the features of images have different lengths")
        return vectors

    def add(self, encoder: Mapping[str, Any], features: Mapping[str, Vector]) -> None:
        """Add features of an encoder by the digests of their images."""
        keys = _keys(encoder, features)
        rows = [(key, image, features[image].astype("<f2").tobytes()) for key, image in keys.items()]
        with self._database.batch() as connection:
            connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", rows)

    def all(self) -> Iterator[tuple[str, str, bytes]]:
        """All rows: key, digest of the image, and vector."""
        return self._database.scan("SELECT * FROM features ORDER BY key", _row)

    def copy(self, rows: Iterable[tuple[str, str, bytes]]) -> None:
        """Add rows of another store; what is there stays. Inside a batch."""
        with self._database.guarded() as connection:
            connection.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?)", rows)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove features. Inside a batch."""
        with self._database.guarded() as connection:
            connection.executemany("DELETE FROM features WHERE key = ?", [(key,) for key in keys])

    def _vector(self, data: Any) -> Vector:
        import numpy as np

        whole = isinstance(data, bytes) and len(data) > 0 and len(data) % 2 == 0
        vector: NDArray[np.float64] = np.frombuffer(data if whole else b"", "<f2").astype(float)
        length = float(np.linalg.norm(vector))
        if not 0 < length < np.inf:
            raise StoreError(f"{self._database.path} is damaged: the features of an image are no vector")
        return vector / length


def _keys(encoder: Mapping[str, Any], images: Iterable[str]) -> dict[str, str]:
    """The digest of each image by the key of its features."""
    head = digest(["features", dict(encoder)])
    return {hashlib.sha256(f"{head}{image}".encode()).hexdigest(): image for image in images}


def _row(row: Any) -> tuple[str, str, bytes]:
    return str(row["key"]), str(row["image"]), row["vector"]
