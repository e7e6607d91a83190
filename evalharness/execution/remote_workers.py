"""The remote workers of a pass: they are started and ended together, and what ended one is told once."""

from __future__ import annotations

from collections.abc import Callable

from evalharness._util.progress import Progress
from evalharness.errors import BudgetError, EndpointError
from evalharness.execution.queues import Queue
from evalharness.execution.remote import RemoteWorker


class RemoteWorkers:
    """The threads that serve judges and models behind addresses.

    Args:
        stops: Receives why a judge or model is given up, by subject.
        terminal: Shows warnings.
        nothing_left: Whether no other work goes on.
    """

    def __init__(self, stops: dict[str, str], terminal: Progress, nothing_left: Callable[[], bool]) -> None:
        self._stops, self._terminal, self._nothing_left = stops, terminal, nothing_left
        self._workers: list[RemoteWorker] = []
        self._warned: set[str] = set()
        """Names of the queues whose worker's end was told."""

    def add(self, worker: RemoteWorker) -> None:
        """Add a worker, before any is started."""
        self._workers.append(worker)

    @property
    def queues(self) -> list[Queue]:
        """The queues that they serve."""
        return [worker.queue for worker in self._workers]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def wait(self) -> None:
        """Wait until all have done their work."""
        for worker in self._workers:
            worker.wait()

    def end(self) -> None:
        """Let all end soon."""
        for worker in self._workers:
            worker.end()

    def check(self, *, running: bool) -> None:
        """Raise what ended a worker.

        A judge or model that does not work ends the run only once all other work is done; a spent budget never does.

        Args:
            running: Whether other work may go on.
        """
        for worker in self._workers:
            error = worker.error
            if isinstance(error, BudgetError):
                self._stops[worker.queue.subject] = str(error)
            elif isinstance(error, EndpointError) and running:
                self._warn_once(worker, error)
            elif error is not None:
                raise error

    def _warn_once(self, worker: RemoteWorker, error: EndpointError) -> None:
        """Warn of a worker that ended, if other work goes on; otherwise the error itself is shown at once."""
        if worker.queue.stopped and worker.queue.name not in self._warned and not self._nothing_left():
            self._warned.add(worker.queue.name)
            self._terminal.say(f"warning: {error}; all else goes on")
