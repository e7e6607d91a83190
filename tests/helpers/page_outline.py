"""What is in a page of a report and in its data sheets, without a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "link", "img", "input", "br", "rect", "source"}


class Outline(HTMLParser):
    """Collects what is in a page and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read_sheet(path: Path) -> Any:
    """As the page does it: the strings joined, without what CSS escaped."""
    text = path.read_text(encoding="ascii")
    chunks = re.findall(r'--data-\d+:"((?:[^"\\]|\\.)*)"', text)
    assert f"--parts:{len(chunks)};" in text
    return json.loads("".join(re.sub(r"\\(.)", r"\1", chunk) for chunk in chunks))
