"""Finds the item of a benchmark that somebody names, by its prompt or its id."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from evalharness._util.hashing import canonical
from evalharness._util.text import one_line
from evalharness.errors import ConfigError
from evalharness.types.item import Item, ItemField

SHOWN = 3
"""Ids that a message lists."""


class NamedItems:
    """The items of a benchmark by their prompts and ids.

    A prompt may stand for several items, as an instruction for several pictures does. It names one only if the scorer
    does not tell them apart.

    Args:
        name: The benchmark, for messages.
        items: Its items.
        visible: The fields of an item that the scorer is given.
    """

    def __init__(self, name: str, items: Iterable[Item], visible: Collection[ItemField]) -> None:
        self._name, self._visible = name, visible
        self._by_id: dict[str, Item] = {}
        self._by_prompt: dict[str, list[Item]] = {}
        for item in items:
            self._by_id[item.id] = item
            self._by_prompt.setdefault(item.prompt, []).append(item)

    def __contains__(self, prompt: str) -> bool:
        """Whether there is such a prompt."""
        return prompt in self._by_prompt

    def first(self) -> Item:
        """The first item; a benchmark has at least one."""
        return next(iter(self._by_id.values()))

    def with_id(self, name: str) -> Item:
        """The item with this id.

        Raises:
            ConfigError: There is none.
        """
        if name not in self._by_id:
            raise ConfigError(
                f"{self._name} has no item {one_line(name, 200)!r}; its ids are such as {self.first().id!r}"
            )
        return self._by_id[name]

    def with_prompt(self, prompt: str) -> Item:
        """The item of a prompt that there is.

        Raises:
            ConfigError: The prompt stands for items that are scored differently.
        """
        if self.is_ambiguous(prompt):
            ids = [item.id for item in self._by_prompt[prompt]]
            shown = ", ".join(map(repr, ids[:SHOWN])) + (", …" if len(ids) > SHOWN else "")
            raise ConfigError(
                f"the prompt {one_line(prompt, 200)!r} of {self._name} stands for {len(ids)} items; name one by its id "
                f"({one_line(shown, 200)})"
            )
        return self._by_prompt[prompt][0]

    def is_ambiguous(self, prompt: str) -> bool:
        """Whether a prompt stands for items that are scored differently."""
        items = self._by_prompt.get(prompt, [])
        return len(items) > 1 and len({canonical(item.as_json(self._visible)) for item in items}) > 1
