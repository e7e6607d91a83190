"""A shard: one of the parts into which the jobs of an array divide a sweep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from evalharness.errors import ConfigError

SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``index`` of ``count``; ``index`` counts from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read a shard from text.

        >>> Shard.parse("2/8")
        Shard(index=2, count=8)

        Raises:
            ConfigError: It is no shard.
        """
        match = SHARD.fullmatch(text)
        if match is None:
            raise ConfigError(f"shard {text!r} has not the form i/n, such as 2/8")
        shard = cls(int(match[1]), int(match[2]))
        if not 1 <= shard.index <= shard.count:
            raise ConfigError(f"shard {text!r} is none of 1/{shard.count} to {shard.count}/{shard.count}")
        return shard


def sharded(folder: Path, shard: Shard | None) -> Path:
    """The folder of a shard beside that of the whole sweep; it may be given as well.

    >>> sharded(Path("reports/store"), Shard(2, 8)).as_posix()
    'reports/store-shard-2-of-8'
    """
    if shard is None:
        return folder
    ending = f"-shard-{shard.index}-of-{shard.count}"
    return folder if folder.name.endswith(ending) else folder.with_name(folder.name + ending)
