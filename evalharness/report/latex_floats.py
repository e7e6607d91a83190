r"""Tables that fit a page of a paper: floats with caption and label, divided where rows or columns are too many.

They need ``\usepackage{booktabs}``. Widths are estimated from the number of characters, with room to spare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evalharness.report.latex import escape

LINE = 345.0
r"""Points of ``\linewidth`` in LaTeX's class ``article``; most journals and conferences have more."""
LINES = 40
"""Rows that a page holds with its caption."""
HEAD = 4
"""Lines that the head and the rules of a table take."""
CHARACTERS = {"MW%@—": 8.0, "mw=+&<>−±×–": 6.7, ".,:;()[]{}|!'ijlt/- ": 3.2}
"""Points of characters at 8 points (``\\footnotesize``); other capitals have 6.3, other characters 4.3."""
SMALL = 7 / 8
"""The size of intervals, relative to that of other texts."""
GAP = 6.0
"""Points between columns."""
LONGEST_NAME = 125.0
"""Points of the first column, above which its names are broken."""


def points(text: str) -> float:
    """The width of a text at 8 points, with room to spare.

    >>> points("ab"), points("Mb")
    (8.6, 12.3)
    """
    return sum(
        next((width for some, width in CHARACTERS.items() if character in some), 6.3 if character.isupper() else 4.3)
        for character in text
    )


@dataclass(frozen=True, slots=True)
class TexCell:
    """A cell: a text, and a small one behind it, such as an interval; ``star`` marks it."""

    text: str
    small: str = ""
    bold: bool = False
    star: bool = False

    @property
    def tex(self) -> str:
        text = rf"\textbf{{{escape(self.text)}}}" if self.bold else escape(self.text)
        star = "$^{*}$" if self.star else ""
        return f"{text}{star}" + (rf" {{\scriptsize {escape(self.small)}}}" if self.small else "")

    @property
    def width(self) -> float:
        bold = 1.15 if self.bold else 1.0
        return bold * points(self.text) + 4.5 * self.star + (SMALL * points(f" {self.small}") if self.small else 0.0)


@dataclass(frozen=True)
class TexTable:
    """A table; the first cell of each row is its name. ``quoted`` are published rows, ``notes`` stand below."""

    columns: Sequence[str]
    rows: Sequence[Sequence[TexCell]]
    caption: str
    label: str
    quoted: Sequence[Sequence[TexCell]] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def floats(table: TexTable) -> str:
    """The table as one float, or several if it does not fit one."""
    blocks = list(_blocks(table))
    if len(blocks) * (len(table.rows) + len(table.quoted) + HEAD) <= LINES:
        return _float(table, [_tabular(table, block, table.rows, table.quoted) for block in blocks], 1)
    pages = [table.rows[start : start + LINES] for start in range(0, len(table.rows), LINES)]
    parts = [
        _tabular(table, block, rows, table.quoted if rows is pages[-1] else ()) for block in blocks for rows in pages
    ]
    return "\n".join(_float(table, [part], number) for number, part in enumerate(parts, 1))


def _blocks(table: TexTable) -> Iterator[list[int]]:
    """The columns beside the first, in groups that fit a line."""
    rows = [*table.rows, *table.quoted]
    first = min(LONGEST_NAME, max(points(row[0].text) for row in rows))
    block, used = list[int](), first
    for index in range(1, len(table.columns)):
        width = GAP + max([*map(points, table.columns[index].split()), *(row[index].width for row in rows)])
        if block and used + width > LINE:
            yield block
            block, used = [], first
        block.append(index)
        used += width
    yield block


def _tabular(
    table: TexTable, block: Sequence[int], rows: Sequence[Sequence[TexCell]], quoted: Sequence[Sequence[TexCell]]
) -> str:
    longest = max(points(row[0].text) for row in (*table.rows, *table.quoted))
    first = rf"p{{{LONGEST_NAME:g}pt}}" if longest > LONGEST_NAME else "l"
    lines = [rf"\begin{{tabular}}{{@{{}}{first}{'r' * len(block)}@{{}}}}", r"\toprule"]
    lines += [_line([_heading(table.columns[index]) for index in (0, *block)]), r"\midrule"]
    lines += [_line(_cells(row, block)) for row in rows]
    if quoted:
        lines += [r"\midrule", rf"\multicolumn{{{len(block) + 1}}}{{@{{}}l}}{{\emph{{Quoted, not measured here}}}} \\"]
        lines += [_line(_cells(row, block)) for row in quoted]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _cells(row: Sequence[TexCell], block: Sequence[int]) -> list[str]:
    name = row[0].text
    tex = _broken(name) if points(name) > LONGEST_NAME else row[0].tex
    return [tex, *(row[index].tex for index in block)]


def _broken(name: str) -> str:
    """A name that is set on several lines, all but the first indented.

    Lines break between words and behind separators; within a part that fits no line they break anywhere.
    """
    words = []
    for word in name.split():
        parts = re.findall(r"[^_=,/.-]*[_=,/.-]+|[^_=,/.-]+", word)
        pieces = [piece for part in parts for piece in ([part] if points(part) <= LONGEST_NAME else part)]
        words.append(r"\allowbreak{}".join(map(escape, pieces)))
    return r"\raggedright\hangindent=1em " + " ".join(words)


def _heading(text: str) -> str:
    """A heading with a line for each word."""
    words = [escape(word) for word in text.split()]
    return words[0] if len(words) == 1 else r"\shortstack[r]{" + r"\\".join(words) + "}"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _float(table: TexTable, tabulars: Sequence[str], number: int) -> str:
    caption, label = escape(table.caption), table.label
    if number > 1:
        caption, label = rf"{escape(table.caption.partition(':')[0])} (continued).", f"{table.label}-{number}"
    lines = [r"\begin{table}[tbp]", r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{3pt}"]
    lines += [rf"\caption{{{caption}}}", rf"\label{{{label}}}", r"\smallskip", "\n\n\\medskip\n".join(tabulars)]
    if table.notes and number == 1:
        notes = " ".join(f"{escape(note)}." for note in table.notes)
        lines += ["", r"\smallskip", rf"\parbox{{\linewidth}}{{\raggedright {notes}}}"]
    return "\n".join([*lines, r"\end{table}", ""])
