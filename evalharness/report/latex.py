"""Text in LaTeX."""

from __future__ import annotations

import re

from evalharness._util.text import printable

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "–": "--", "×": r"$\times$", "±": r"$\pm$", "Δ": r"$\Delta$", "…": r"\ldots{}",
    "≠": r"$\neq$", "≈": r"$\approx$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$", "|": r"\textbar{}",
}  # fmt: skip


def escape(text: str) -> str:
    """Escape text for LaTeX.

    >>> escape("50 % of a_b: −1")
    '50 \\\\% of a\\\\_b: $-$1'
    """
    return re.sub("|".join(map(re.escape, SPECIAL)), lambda match: SPECIAL[match[0]], printable(" ".join(text.split())))
