from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.errors import BudgetError, EndpointError
from evalharness.http.budget import MOST_UNPRICED, Budget
from evalharness.http.limiter import ConcurrencyLimiter
from evalharness.types.spent import Spent


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 10))  # type: ignore[arg-type]


def test_no_more_than_places_are_taken_and_all_get_one() -> None:
    async def work() -> None:
        gate, most, done = ConcurrencyLimiter(3, Budget()), 0, 0

        async def call() -> None:
            nonlocal most, done
            assert await gate.enter()
            most = max(most, gate.taken)
            await asyncio.sleep(0)
            gate.leave()
            done += 1

        await asyncio.gather(*(call() for _ in range(50)))
        assert (most, done, gate.taken) == (3, 50, 0)

    run(work)


def test_halves_once_for_calls_that_were_sent_together_and_grows_by_one_a_round() -> None:
    clock = Clock()
    gate = ConcurrencyLimiter(64, Budget(), clock)
    clock.now = 10
    for _ in range(20):
        gate.shrink(started=5)
    assert gate.limit == 32
    gate.shrink(started=11)
    assert gate.limit == 16
    for _ in range(16):
        gate.grow()
    assert 16.9 < gate.limit < 17
    for _ in range(10_000):
        gate.grow()
    assert gate.limit == 64
    for second in range(20, 40):
        clock.now = second
        gate.shrink(started=second)
    assert gate.limit == 1


def test_waiters_come_in_when_the_limit_has_grown_again() -> None:
    async def work() -> None:
        gate = ConcurrencyLimiter(4, Budget())
        gate.limit = 1.0
        entered = [asyncio.create_task(gate.enter()) for _ in range(4)]
        await asyncio.sleep(0)
        assert sum(task.done() for task in entered) == 1
        for _ in range(10):
            gate.grow()
        gate.leave()
        await asyncio.sleep(0.01)
        assert all(task.done() for task in entered[: int(gate.limit)])

    run(work)


def test_stop_sends_everybody_away_and_the_first_reason_stands() -> None:
    async def work() -> None:
        gate = ConcurrencyLimiter(1, Budget())
        assert await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        sleeping = asyncio.create_task(gate.sleep(100))
        await asyncio.sleep(0)
        gate.stop(EndpointError("first"))
        gate.stop(EndpointError("second"))
        assert not await waiting
        assert not await sleeping
        assert not await gate.enter()
        assert not await gate.sleep(0)
        assert str(gate.stopped) == "first"

    run(work)


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 10))
def test_never_more_calls_than_the_budget(calls: int, places: int, earlier: int) -> None:
    async def work() -> None:
        budget = Budget(max_calls=calls)
        budget.recall(Spent(earlier, 0.0))
        gate, sent = ConcurrencyLimiter(places, budget), 0

        async def call() -> None:
            nonlocal sent
            while await gate.enter():
                sent += 1
                await asyncio.sleep(0)
                budget.charge(0.0)
                gate.leave()

        await asyncio.gather(*(call() for _ in range(10)))
        assert sent == max(0, calls - earlier)
        assert isinstance(gate.stopped, BudgetError)

    run(work)


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=60), st.floats(0.5, 5), st.integers(1, 16))
def test_dollars_are_exceeded_at_most_by_what_a_call_was_dearer_than_any_before(
    costs: list[float], dollars: float, places: int
) -> None:
    async def work() -> None:
        budget = Budget(max_dollars=dollars)
        gate, left = ConcurrencyLimiter(places, budget), list(costs)

        async def call() -> None:
            while left and await gate.enter():
                if not left:
                    gate.leave()
                    break
                cost = left.pop()
                await asyncio.sleep(0)
                budget.charge(cost)
                gate.leave()

        await asyncio.gather(*(call() for _ in range(10)))
        assert budget.dollars <= dollars + places * (max(costs) - min(costs)) + max(costs[-1] - dollars, 0) + 1e-9
        if left:
            assert budget.dollars + max(costs) + places * max(costs) >= dollars

    run(work)


def test_one_call_at_a_time_until_it_is_known_what_one_costs() -> None:
    budget = Budget(max_dollars=1.0)
    assert budget.admits(0)
    assert not budget.admits(1)
    budget.charge(0.1)
    assert budget.admits(7)
    assert not budget.admits(9)
    budget.recall(Spent(10, 0.95))
    assert not budget.admits(0)
    assert str(budget) == "0.95 of 1 dollars, 10 calls of them in earlier runs"


def test_calls_of_unknown_cost_count_as_the_dearest() -> None:
    budget = Budget(max_dollars=1.0)
    for _ in range(MOST_UNPRICED):
        assert budget.admits(0)
        budget.charge(None)
    assert not budget.admits(0), "nothing at all is known of what calls cost"
    budget.charge(0.05)
    assert budget.admits(7)
    assert not budget.admits(9)
    assert str(budget) == "0.05 of 1 dollars and 10 calls of unknown cost"
    assert Budget(max_calls=20, calls=11, unpriced=10).admits(0), "without a limit on dollars, no cost matters"


def test_no_limit_is_no_limit() -> None:
    budget = Budget()
    budget.recall(Spent(10**9, 1e9))
    assert budget.admits(10**9)


@pytest.mark.parametrize("calls", [None, 3])
def test_the_budget_says_what_was_spent(calls: int | None) -> None:
    budget = Budget(calls, 2.0)
    budget.charge(0.25)
    budget.charge(0.0)
    assert str(budget) == ("" if calls is None else "2 of 3 calls and ") + "0.25 of 2 dollars"
