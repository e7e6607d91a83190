"""Lines of figures that a benchmark prints, which another program may collect in a file."""

from __future__ import annotations

import os
from pathlib import Path

FILE = "EVALHARNESS_FIGURES"
"""The environment variable that names the file."""


def say(*lines: str) -> None:
    """Print the lines, and append them to the file if there is one."""
    print("\n" + "\n".join(lines))  # noqa: T201 - the numbers are what a benchmark is for
    if path := os.environ.get(FILE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write("\n".join(line for line in lines if line.strip()) + "\n")
