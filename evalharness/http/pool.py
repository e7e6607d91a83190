"""Sends many requests to an endpoint at the same time, for a synchronous caller."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

    from evalharness.errors import SampleError
    from evalharness.http.calls import Calls

Q = TypeVar("Q")
A = TypeVar("A")


def answers(requests: Iterable[tuple[int, Q]], calls: Calls[Q, A], most: int) -> Iterator[tuple[int, A | SampleError]]:
    """Give the number of each request with its answer, as answers arrive. Calls run in another thread.

    Args:
        requests: Numbered requests.
        calls: Makes the calls.
        most: Requests that are in hand at the same time. If this exceeds the concurrency of the calls, the endpoint
            stays busy while the caller handles an answer.

    Raises:
        EndpointError: The calls were stopped; raised once all answers have been yielded.
    """
    from anyio.from_thread import start_blocking_portal

    todo = iter(requests)
    done: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
    in_hand = 0
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(calls):
        loop = portal.call(asyncio.get_running_loop)
        while True:
            while in_hand < most and calls.gate.stopped is None:
                if (taken := next(todo, None)) is None:
                    break
                number, request = taken
                # Not by the portal's own method, which waits until the event loop has started each call.
                future = asyncio.run_coroutine_threadsafe(calls.answer(request), loop)
                future.add_done_callback(partial(_put, done, number))
                in_hand += 1
            if not in_hand:
                break
            number, answered = done.get()
            in_hand -= 1
            if (outcome := answered.result()) is not None:
                yield number, outcome
        stopped = calls.gate.stopped
    if stopped is not None:
        raise stopped


def _put(done: SimpleQueue[tuple[int, Future[Any]]], number: int, answered: Future[Any]) -> None:
    done.put((number, answered))
