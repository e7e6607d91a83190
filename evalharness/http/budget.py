"""Limits on the number and the cost of calls to an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from evalharness.errors import BudgetError
from evalharness.types.spent import Spent

MOST_UNPRICED = 10
"""Calls of unknown cost after which a limit on dollars admits no more, if no call's cost is known at all."""


@dataclass
class Budget:
    """Counts calls and dollars against their limits.

    A call counts if it was, or may have been, billed: it returned an answer, an unusable response, or no response at
    all. A call that the endpoint refused with an error does not count, unless the error says that tokens were used.

    Attributes:
        max_calls: Limit on calls; ``None`` means none.
        max_dollars: Limit on dollars; ``None`` means none.
        earlier: Spent before this run.
        calls: Calls of this run.
        dollars: Dollars spent in this run, as far as they are known.
        unpriced: Calls of this run whose cost is not known, such as those that timed out.
        unanswered: Questions in a row that got no answer, or one that says nothing. It is kept here because a run may
            ask one question at a time, each over connections of its own.
    """

    max_calls: int | None = None
    max_dollars: float | None = None
    earlier: Spent = field(default_factory=Spent)
    calls: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    unanswered: int = 0
    dearest: float = 0.0
    """Cost of this run's most expensive call; before the first call, the known price or the mean of earlier runs."""

    def recall(self, spent: Spent) -> None:
        """Set what was spent so far, in this run as well; the run's own counters start again at zero."""
        self.earlier, self.calls, self.dollars, self.unpriced, self.unanswered = spent, 0, 0.0, 0, 0
        self.dearest = max(self.dearest, spent.dollars / spent.calls if spent.calls else 0.0)

    def charge(self, dollars: float | None) -> None:
        """Count a call; its cost is ``None`` if it is not known."""
        self.calls += 1
        if dollars is None:
            self.unpriced += 1
            return
        self.dollars += dollars
        self.dearest = max(self.dearest, dollars)

    def admits(self, under_way: int) -> bool:
        """Whether one more call may start beside the ``under_way`` calls whose cost is not known yet.

        Each of these, and each whose cost never became known, is assumed to cost as much as the most expensive call so
        far. Until a cost is known, only one call runs at a time.
        """
        if self.max_calls is not None and self.earlier.calls + self.calls + under_way >= self.max_calls:
            return False
        if self.max_dollars is None:
            return True
        if not self.dearest:
            return under_way == 0 and self.unpriced < MOST_UNPRICED
        spent = self.earlier.dollars + self.dollars
        return spent + (self.unpriced + under_way + 1) * self.dearest <= self.max_dollars

    def require_room(self, count: int) -> None:
        """Check that so many calls may start, for a caller that can use none without the others.

        Raises:
            BudgetError: They may not. A call whose cost is not known yet may always start.
        """
        under_way = count - 1 if self.dearest or self.max_dollars is None else 0
        if count and not self.admits(under_way):
            raise BudgetError(
                f"the budget is spent, {self}, and {count} more are needed; raise it and run again to go on"
            )

    def __str__(self) -> str:
        parts = []
        if self.max_calls is not None:
            parts.append(f"{self.earlier.calls + self.calls} of {self.max_calls} calls")
        if self.max_dollars is not None:
            parts.append(f"{self.earlier.dollars + self.dollars:.4g} of {self.max_dollars:g} dollars")
            if self.unpriced:
                parts.append(f"{self.unpriced} calls of unknown cost")
        before = f", {self.earlier.calls} calls of them in earlier runs" if self.earlier.calls else ""
        return " and ".join(parts) + before
