"""A scorer with a judge, which would cost money: it counts what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evalharness.api.benchmark import JudgeScorer
from evalharness.testing import MockBenchmark
from evalharness.types.score import Score


class CountingJudge(JudgeScorer):
    """Finds everything right."""

    requested = 0

    def identity(self) -> dict[str, Any]:
        return {"name": "judge"}

    def judge(self, requests: Any, replies: Any) -> Iterator[Any]:
        for request in requests:
            CountingJudge.requested += 1
            yield request, Score(1.0)


def score_mock_by_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the mock benchmark be scored by it, whose count begins anew."""
    monkeypatch.setattr(MockBenchmark, "scorer", lambda self: CountingJudge())
    monkeypatch.setattr(CountingJudge, "requested", 0)
