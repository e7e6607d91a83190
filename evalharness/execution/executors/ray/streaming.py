"""The class of the Ray actors: its answer to a batch is a stream, so that steps are stored as they are made."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from evalharness.execution.executors.host import Plain, WorkerHost


class StreamingHost:
    """A :class:`WorkerHost` that works in a thread of its own: only the actor's own thread can yield answers.

    Args:
        spec: See :class:`WorkerHost`, as of the others.
    """

    def __init__(self, spec: Plain, paths: Mapping[str, str], threads: int) -> None:
        self._answers: queue.SimpleQueue[Plain | None] = queue.SimpleQueue()
        self._host = WorkerHost(spec, paths, threads, lambda steps: self._answers.put({"steps": steps}))
        self._thread = ThreadPoolExecutor(1)

    def describe(self) -> Plain:
        """See :meth:`WorkerHost.describe`."""
        return self._host.describe()

    def load(self) -> Plain:
        """See :meth:`WorkerHost.load`. It is the thread that works which loads."""
        return self._thread.submit(self._host.load).result()

    def work(self, batch: Plain) -> Iterator[Plain]:
        """Work on a batch.

        Yields:
            ``{"steps": …}`` whenever steps are handed over, and last the answer of :meth:`WorkerHost.work`.
        """
        answer = self._thread.submit(self._host.work, batch)
        answer.add_done_callback(lambda _: self._answers.put(None))
        while (steps := self._answers.get()) is not None:
            yield steps
        yield answer.result()
