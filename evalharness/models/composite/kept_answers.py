"""Answers of a batch that failed, which are not asked for, and paid, again when the batch is divided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from evalharness.errors import SampleError

Q = TypeVar("Q")
A = TypeVar("A")
Ask = Callable[[Iterable[tuple[int, Q]]], Iterator[tuple[int, "A | SampleError"]]]
"""Asks numbered questions; gives the number of each with its answer, in any order."""


class KeptAnswers(Generic[A]):
    """Asks many questions at a time; all of them have an answer, or an error says which has none.

    A verb of a model fails as a whole, and is then called with parts of its batch. What was answered is kept until the
    part that it belongs to succeeds.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], A] = {}

    def answers(
        self, keys: Sequence[str], questions: Sequence[Q], ask: Ask[Q, A], require_room: Callable[[int], None]
    ) -> list[A]:
        """Answer questions, in order.

        Args:
            keys: A key of each question. Those with the same key are told apart by their order.
            questions: The questions.
            ask: Asks those that have no answer yet.
            require_room: Checks that a budget has room for so many calls, so that none is paid and then lost because
                another cannot be made.

        Raises:
            BudgetError: There is no room.
            SampleError: A question has no answer; that of the first such question.
        """
        numbered = [(key, list(keys[:index]).count(key)) for index, key in enumerate(keys)]
        todo = [(index, question) for index, question in enumerate(questions) if numbered[index] not in self._kept]
        require_room(len(todo))
        errors: dict[int, SampleError] = {}
        for index, answer in ask(iter(todo)) if todo else ():
            if isinstance(answer, SampleError):
                errors[index] = answer
            else:
                self._kept[numbered[index]] = answer
        for index, key in enumerate(numbered):
            if index in errors:
                raise errors[index]
            if key not in self._kept:
                raise SampleError("it was asked, and no answer came")
        return [self._kept.pop(key) for key in numbered]
