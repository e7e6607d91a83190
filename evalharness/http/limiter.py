"""How many calls to an endpoint may be under way at once, and when there may be none any more."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from evalharness.errors import BudgetError, EndpointError
from evalharness.http.budget import Budget


class ConcurrencyLimiter:
    """Lets calls in: at most ``most`` at once, fewer when the endpoint has too many, none beyond the budget.

    The limit is halved when a call is turned away for there being too many, and grows by one for each round of replies
    (additive increase, multiplicative decrease, as of TCP: Chiu and Jain, 1989). For the use of one event loop.
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
        """Wait for a place; False if there will be none any more."""
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
        """Give a place back."""
        self.taken -= 1
        self._wake(max(1, int(self.limit) - self.taken))

    def grow(self) -> None:
        """A call was answered."""
        self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def shrink(self, started: float) -> None:
        """A call that began at ``started`` was one too many. Those sent before the last halving could not know."""
        if started >= self._halved:
            self.limit = max(1.0, self.limit / 2)
            self._halved = self._clock()

    def stop(self, reason: EndpointError) -> None:
        """Let no more in. The first reason stands."""
        self.stopped = self.stopped or reason
        self._halted.set()
        self._wake(len(self._waiting))

    async def sleep(self, seconds: float) -> bool:
        """Wait outside; False if meanwhile all was stopped."""
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
