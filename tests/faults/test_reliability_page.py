"""docs/reliability.md against the tests that it names."""

from __future__ import annotations

import re

import pytest
from fences import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.findall(r"\| `(tests/\S+\.py)::(\w+)` \|$", PAGE, re.MULTILINE)


def test_every_row_names_a_test() -> None:
    rows = re.findall(r"^\| (?!fault |code |\d+ \|).*$", PAGE, re.MULTILINE)
    assert len(rows) == len(NAMED) > 20
    assert len(set(NAMED)) == len(NAMED)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    assert re.search(rf"^ *def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
