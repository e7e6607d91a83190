"""How answers in words are understood."""

from __future__ import annotations

import pytest

from evalharness.errors import ConfigError
from evalharness.formats.bagel import Bagel
from evalharness.formats.prompted import PLAN, Prompted


@pytest.mark.parametrize("answer", ["finished", " Finished.", "**FINISHED**\nThe picture", '"finished"'])
def test_a_plan_that_says_finished(answer: str) -> None:
    assert Prompted({}).done(answer)


@pytest.mark.parametrize("answer", ["", "…", "Add a dog.", "It is not finished", "finishedness"])
def test_a_plan_that_does_not(answer: str) -> None:
    assert not Prompted({}).done(answer)


@pytest.mark.parametrize(("answer", "conflict"), [("Fine.", False), ("", False), ("The cat is missing", True)])
def test_an_inspection(answer: str, conflict: bool) -> None:
    assert Prompted({}).conflict(answer) is conflict


def test_requests_of_your_own() -> None:
    spoken = Prompted({"inspect": "Well?"})
    assert (spoken.inspect.ask, spoken.plan.ask) == ("Well?", PLAN)


def test_thinking_needs_a_system_prompt() -> None:
    with pytest.raises(ConfigError, match=r"give the model `words: \{system"):
        Bagel({})
    assert Bagel({"system": ""}).system == ""
