"""Everything in this process, one batch after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from evalharness.executors.base import Failure, J, R, Worker, isolate


class Local:
    """The default executor."""

    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def run(
        self, worker: Worker[J, R], batches: Iterable[Sequence[J]]
    ) -> Iterator[tuple[Sequence[J], list[R | Failure]]]:
        for batch in batches:
            yield batch, isolate(worker, batch)

    def close(self) -> None:
        """Nothing to let go of."""
