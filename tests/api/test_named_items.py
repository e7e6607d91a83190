"""The item that a prompt or an id names, where prompts stand more than once."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalharness.api.named_items import NamedItems
from evalharness.errors import ConfigError
from evalharness.types.item import Item, ItemField, PromptImage


def item(name: str, prompt: str = "make it green", picture: str = "a", **metadata: str) -> Item:
    return Item(name, prompt, "", metadata, PromptImage(Path(picture), picture))


def test_a_prompt_of_one_item_names_it() -> None:
    items = [item("first"), item("second", "make it red")]
    named = NamedItems("edits", items, ["prompt", "picture"])
    assert [named.with_prompt(one.prompt) for one in items] == items
    assert "make it blue" not in named


def test_a_prompt_of_items_that_are_scored_alike_names_the_first() -> None:
    named = NamedItems("edits", [item("first", tag="x"), item("second", tag="y")], ["prompt", "picture"])
    assert named.with_prompt("make it green").id == "first"
    assert not named.is_ambiguous("make it green")


@pytest.mark.parametrize(("visible", "other"), [("picture", item("b", picture="b")), ("metadata", item("b", tag="y"))])
def test_a_prompt_of_items_that_are_scored_differently_names_none(visible: ItemField, other: Item) -> None:
    named = NamedItems("edits", [item("a"), other], [visible])
    expected = r"^the prompt 'make it green' of edits stands for 2 items; name one by its id \('a', 'b'\)$"
    with pytest.raises(ConfigError, match=expected):
        named.with_prompt("make it green")
    assert named.with_id("b") == other


def test_an_id_that_there_is_not_is_an_error_with_an_example() -> None:
    with pytest.raises(ConfigError, match=r"^edits has no item 'x'; its ids are such as 'first'$"):
        NamedItems("edits", [item("first")], ["prompt"]).with_id("x")
