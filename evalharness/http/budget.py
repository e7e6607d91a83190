"""What calls to an endpoint may cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from evalharness.types.spent import Spent


@dataclass
class Budget:
    """Calls and dollars that may be spent, and those that are. ``None`` is no limit.

    A call counts when it was or may have been paid for: it brought an answer, something unusable, or nothing at all.
    One that was turned away with an error does not.
    """

    max_calls: int | None = None
    max_dollars: float | None = None
    earlier: Spent = field(default_factory=Spent)
    calls: int = 0
    dollars: float = 0.0
    dearest: float = 0.0
    """The most that a call of this run cost; before there is one, the price as known or the mean of earlier runs."""

    def recall(self, spent: Spent) -> None:
        """Count what was spent before; it has all that was paid so far."""
        self.earlier, self.calls, self.dollars = spent, 0, 0.0
        self.dearest = max(self.dearest, spent.dollars / spent.calls if spent.calls else 0.0)

    def charge(self, dollars: float = 0.0) -> None:
        """Count a call."""
        self.calls += 1
        self.dollars += dollars
        self.dearest = max(self.dearest, dollars)

    def admits(self, under_way: int) -> bool:
        """Whether another call may start beside those that are not paid yet.

        Each of those is taken to cost as much as the dearest so far. While nothing is known, they go one at a time.
        """
        if self.max_calls is not None and self.earlier.calls + self.calls + under_way >= self.max_calls:
            return False
        if self.max_dollars is None:
            return True
        if not self.dearest:
            return under_way == 0
        spent = self.earlier.dollars + self.dollars
        return spent + (under_way + 1) * self.dearest <= self.max_dollars

    def __str__(self) -> str:
        parts = []
        if self.max_calls is not None:
            parts.append(f"{self.earlier.calls + self.calls} of {self.max_calls} calls")
        if self.max_dollars is not None:
            parts.append(f"{self.earlier.dollars + self.dollars:.4g} of {self.max_dollars:g} dollars")
        before = f", {self.earlier.calls} calls of them in earlier runs" if self.earlier.calls else ""
        return " and ".join(parts) + before
