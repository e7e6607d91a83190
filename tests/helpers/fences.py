"""What stands between code fences in the documentation."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "reports" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
)
FENCE = re.compile(r"^[ ]*```(\w*)\n(.*?)^[ ]*```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[str]:
    """The blocks of these languages."""
    return [body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if language in languages]


def commands(page: Path) -> list[str]:
    """Every shell command of a page, one a simple command: lines joined, comments and assignments left out."""
    found: list[str] = []
    for block in blocks(page, "sh", "bash", "console", "shell"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for part in shlex.join(words).replace("'&&'", "&&").split(" && "):
                tokens = shlex.split(part)
                while tokens and re.fullmatch(r"[A-Z_]+=.*", tokens[0]):
                    tokens = tokens[1:]
                if tokens:
                    found.append(shlex.join(tokens))
    return found
