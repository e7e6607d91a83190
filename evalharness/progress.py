"""How far a run is: a bar on a terminal, a line every few seconds elsewhere; both on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Protocol


class Stage(Protocol):
    """One stretch of equal work."""

    def advance(self, done: int, failed: int = 0) -> None: ...


class Progress:
    """Opens stages and writes messages between them. ``quiet`` writes messages only."""

    def __init__(self, *, quiet: bool = False, interval: float = 5.0) -> None:
        self.quiet = quiet
        self.interval = interval

    def say(self, message: str) -> None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    @contextlib.contextmanager
    def stage(self, title: str, total: int) -> Iterator[Stage]:
        """Progress of ``total`` samples."""
        if self.quiet or total == 0:
            yield _Silent()
        elif sys.stderr.isatty():
            with _bar(title, total) as bar:
                yield bar
        else:
            lines = _Lines(self, title, total)
            try:
                yield lines
            finally:
                lines.end()


class _Silent:
    def advance(self, done: int, failed: int = 0) -> None:
        """Say nothing."""


class _Lines:
    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self.progress, self.title, self.total = progress, title, total
        self.done = self.failed = self.written = 0
        self.start = self.last = time.monotonic()
        self.first: tuple[float, int] | None = None

    def advance(self, done: int, failed: int = 0) -> None:
        self.done += done
        self.failed += failed
        if self.first is None:
            self.first = time.monotonic(), self.done
        if time.monotonic() - self.last >= self.progress.interval:
            self.write()

    def remaining(self) -> float:
        """Seconds to go at the rate since the first batch, which had to load a model; 0 where nothing can be said."""
        if self.first is None or self.done == self.first[1]:
            return 0.0
        rate = (self.done - self.first[1]) / max(self.last - self.first[0], 1e-9)
        return (self.total - self.done) / rate

    def end(self) -> None:
        if self.done != self.written:
            self.write()

    def write(self) -> None:
        self.last, self.written = time.monotonic(), self.done
        rate = self.done / max(self.last - self.start, 1e-9)
        left = f", {duration(remaining)} left" if (remaining := self.remaining()) else ""
        failed = f", {self.failed} failed" if self.failed else ""
        self.progress.say(f"{self.title}: {self.done}/{self.total}{failed}, {rate:.2g}/s{left}")


@contextlib.contextmanager
def _bar(title: str, total: int) -> Iterator[Stage]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as rich:
        task = rich.add_task(title, total=total, note="")
        start = time.monotonic()

        class Bar:
            done = failed = 0

            def advance(self, done: int, failed: int = 0) -> None:
                self.done += done
                self.failed += failed
                note = f"{self.done / max(time.monotonic() - start, 1e-9):.2g}/s"
                rich.update(task, advance=done, note=note + (f", {self.failed} failed" if self.failed else ""))

        yield Bar()


def duration(seconds: float) -> str:
    """``"42 s"``, ``"3 min 20 s"``, ``"2 h 5 min"``.

    >>> duration(200)
    '3 min 20 s'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
