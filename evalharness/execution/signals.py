"""Signals that ask a process to end: the first lets it finish what is in hand; none interrupts a write."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | None
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stopping_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first SIGINT or SIGTERM, and do what the signal asks when the block has ended.

    A second signal has its usual effect at once. Only the main thread receives signals; others do nothing. A signal
    that the process ignores stays ignored.

    Args:
        stop: Lets the block end soon. It runs in a thread of its own, so that it may wait for a lock.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    present = {number: signal.getsignal(number) for number in SIGNALS}
    handlers = {number: handler for number, handler in present.items() if handler not in (signal.SIG_IGN, None)}
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            threading.Thread(target=stop, name="stop", daemon=True).start()
        else:
            _obey(number, frame, handlers[signal.Signals(number)])

    for number in handlers:
        signal.signal(number, receive)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        _obey(received[0], None, handlers[signal.Signals(received[0])])


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
    """Defer SIGINT and SIGTERM until the block has ended. Only the main thread receives them; others do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.signal(number, lambda *arguments: received.append(arguments)) for number in SIGNALS}
    try:
        yield
    finally:
        for name, handler in handlers.items():
            signal.signal(name, handler)
    for number, frame in received[:1]:
        _obey(number, frame, handlers[signal.Signals(number)])


def _obey(number: int, frame: FrameType | None, handler: Handler) -> None:
    """Do what a signal asks, given the handler that it had."""
    if callable(handler):
        handler(number, frame)
    else:
        signal.signal(number, handler or signal.SIG_DFL)
        signal.raise_signal(number)
