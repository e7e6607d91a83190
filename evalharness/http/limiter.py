"""Limits the calls that are under way at an endpoint at the same time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from evalharness.errors import BudgetError, EndpointError
from evalharness.http.budget import Budget


class ConcurrencyLimiter:
    """Admits at most ``most`` calls at a time, fewer if the endpoint is overloaded, and none beyond the budget.

    The limit is halved if the endpoint refuses a call because it has too many, and grows by one with each round of
    replies: additive increase, multiplicative decrease, as in TCP (Chiu and Jain, 1989). All calls must run in one
    event loop.

    Attributes:
        most: The highest limit.
        limit: The present limit; its integer part counts.
        taken: Number of calls under way.
        stopped: Why no more calls are admitted; ``None`` as long as they are.
    """

    def __init__(self, most: int, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.limit = most, float(most)
        self.taken = 0
        self.stopped: EndpointError | None = None
        self._budget, self._clock = budget, clock
        self._halved = -float("inf")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halted = asyncio.Event()

    async def enter(self) -> bool:
        """Wait until a call may start; return False if no more calls are admitted."""
        while self.stopped is None:
            if self.taken < int(self.limit):
                if self._budget.admits(self.taken):
                    self.taken += 1
                    return True
                if not self.taken:
                    self.stop(BudgetError(f"the budget is spent, {self._budget}; raise it and run again to go on"))
                    break
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        return False

    def leave(self) -> None:
        """Note that a call has ended, so that another may start."""
        self.taken -= 1
        self._wake(max(1, int(self.limit) - self.taken))

    def grow(self) -> None:
        """Raise the limit after a call that was answered."""
        self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def shrink(self, started: float) -> None:
        """Halve the limit, unless the refused call was started before the last halving."""
        if started >= self._halved:
            self.limit = max(1.0, self.limit / 2)
            self._halved = self._clock()

    def stop(self, reason: EndpointError) -> None:
        """Admit no more calls. The first reason given is kept."""
        self.stopped = self.stopped or reason
        self._halted.set()
        self._wake(len(self._waiting))

    async def sleep(self, seconds: float) -> bool:
        """Wait for some seconds; return True after them, or False as soon as the limiter is stopped."""
        try:
            async with asyncio.timeout(seconds):
                await self._halted.wait()
        except TimeoutError:
            return True
        return False

    def _wake(self, count: int) -> None:
        while count > 0 and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1
