"""Shows progress on stderr: a bar on a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from evalharness._util import console


class Stage:
    """Work of one kind; its total may change while it goes on."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self.done = self.failed = 0
        self._start = self._last = time.monotonic()
        self._first: tuple[float, int] | None = None

    def advance(self, done: int, failed: int = 0) -> None:
        self.done += done
        self.failed += failed
        self._last = time.monotonic()
        if self._first is None:
            self._first = self._last, self.done
        self.show()

    def resize(self, total: int) -> None:
        self.total = total

    def rate(self) -> float:
        """Samples a second, since the beginning."""
        return self.done / max(self._last - self._start, 1e-9)

    def remaining(self) -> float:
        """Seconds left at the rate since the first batch, which also loaded the model; 0 if unknown."""
        if self._first is None or self.done == self._first[1]:
            return 0.0
        rate = (self.done - self._first[1]) / max(self._last - self._first[0], 1e-9)
        return max(0, self.total - self.done) / rate

    def show(self) -> None:
        """Show the state; the base class shows nothing."""

    def end(self) -> None:
        """End the stage."""


class Progress:
    """Opens stages, which may overlap, and writes messages between them. ``quiet`` writes messages only."""

    def __init__(self, *, quiet: bool = False, interval: float = 5.0) -> None:
        self.quiet = quiet
        self.interval = interval
        self._bars: _Bars | None = None

    def say(self, message: str) -> None:
        if self._bars is not None:
            with contextlib.suppress(OSError):
                self._bars.rich.console.print(console.clean(message), markup=False, highlight=False, soft_wrap=True)
            return
        console.write_error(message)

    @contextlib.contextmanager
    def stages(self) -> Iterator[Callable[[str, int], Stage]]:
        """Yield a function that opens a stage, given its title and number of samples; all stages end with the block."""
        opened: list[Stage] = []

        def stage(title: str, total: int) -> Stage:
            if self.quiet:
                opened.append(Stage(title, total))
            else:
                opened.append(_Bar(title, total, self._bars) if self._bars else _Line(title, total, self))
            return opened[-1]

        try:
            if not self.quiet and sys.stderr.isatty():
                self._bars = _Bars()
                self._bars.rich.start()
            yield stage
        finally:
            for open_stage in opened:
                open_stage.end()
            if self._bars is not None:
                self._bars.rich.stop()
                self._bars = None


class _Line(Stage):
    """The progress of a stage without a terminal: a line every few seconds."""

    def __init__(self, title: str, total: int, progress: Progress) -> None:
        super().__init__(title, total)
        self._progress = progress
        self._written, self._shown = 0, self._start

    def show(self) -> None:
        if self._last - self._shown >= self._progress.interval:
            self._write()

    def end(self) -> None:
        if self.done != self._written:
            self._write()

    def _write(self) -> None:
        self._shown, self._written = self._last, self.done
        left = f", {duration(remaining)} left" if (remaining := self.remaining()) else ""
        failed = f", {self.failed} failed" if self.failed else ""
        self._progress.say(f"{self.title}: {self.done}/{self.total}{failed}, {self.rate():.2g}/s{left}")


class _Bars:
    """The bars of all stages, together at the bottom of a terminal."""

    def __init__(self) -> None:
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
        self.rich = RichProgress(*columns, console=Console(stderr=True))


class _Bar(Stage):
    def __init__(self, title: str, total: int, bars: _Bars) -> None:
        super().__init__(title, total)
        self._rich = bars.rich
        self._task = self._rich.add_task(title, total=total, note="")

    def resize(self, total: int) -> None:
        super().resize(total)
        self._rich.update(self._task, total=total)

    def show(self) -> None:
        note = f"{self.rate():.2g}/s" + (f", {self.failed} failed" if self.failed else "")
        self._rich.update(self._task, completed=self.done, note=note)


def duration(seconds: float) -> str:
    """A duration as text such as ``"42 s"``, ``"3 min 20 s"`` or ``"2 h 5 min"``.

    >>> duration(200)
    '3 min 20 s'
    """
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60} s"
    return f"{rounded // 3600} h {rounded % 3600 // 60} min"
