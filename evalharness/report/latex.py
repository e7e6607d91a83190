"""Text and plain tables in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalharness._util.text import printable

if TYPE_CHECKING:
    import pandas as pd

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "–": "--", "×": r"$\times$", "±": r"$\pm$", "Δ": r"$\Delta$", "…": r"\ldots{}",
}  # fmt: skip


def escape(text: str) -> str:
    """Escape text for LaTeX.

    >>> escape("50 % of a_b: −1")
    '50 \\\\% of a\\\\_b: $-$1'
    """
    return re.sub("|".join(map(re.escape, SPECIAL)), lambda match: SPECIAL[match[0]], printable(" ".join(text.split())))


def booktabs(table: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    r"""A ``tabular`` of text cells; needs ``\usepackage{booktabs}``. The first column is left-aligned, others right.

    ``notes`` are lines below the table.
    """
    columns = [str(name) for name in table.columns]
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}", r"\toprule", _row(columns), r"\midrule"]
    lines += [_row(map(str, row)) for row in table.itertuples(index=False)]
    lines += [r"\bottomrule"]
    lines += [rf"\multicolumn{{{len(columns)}}}{{l}}{{\footnotesize {escape(note)}}} \\" for note in notes]
    return "\n".join([*lines, r"\end{tabular}", ""])


def _row(cells: Sequence[str] | map[str]) -> str:
    return " & ".join(escape(cell) for cell in cells) + r" \\"
