"""Tables of a paper: they fit a page by the widths of LaTeX's own letters, and show the best in bold."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from runs import random_scores, run

from evalharness.report import paper_tables
from evalharness.report.latex_floats import GAP, LINE, LINES, LONGEST_NAME, TexCell, TexTable, floats, points
from evalharness.report.summary import Summary, summarize
from evalharness.store.results import Results

FONT = FontProperties(fname=str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "cmr10.ttf"))


def letters(tex: str, size: float) -> float:
    """The width of a text in points, set in Computer Modern."""
    plain = re.sub(r"\\allowbreak\{\}|\$|\^|[{}]|\\text\w+|\\(?=[_&%#])", "", tex).strip()
    return float(TextPath((0, 0), plain, size=size, prop=FONT).get_extents().width) if plain else 0.0


def width(cell: str) -> float:
    if stacked := re.fullmatch(r"\\shortstack\[r\]\{(.*)\}", cell.strip()):
        return max(letters(word, 8) for word in stacked[1].split(r"\\"))
    text, _, small = cell.strip().partition(r"{\scriptsize")
    bold = 1.15 if r"\textbf" in text else 1.0
    return bold * letters(text, 8) + letters(small.removesuffix("}"), 7) + (3 if small else 0)


def tabulars(tex: str) -> list[list[list[str]]]:
    """The cells of each tabular, without rules."""
    found = []
    for body in re.findall(r"\\begin\{tabular\}.*?\n(.*?)\\end\{tabular\}", tex, re.DOTALL):
        lines = [line[:-2] for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        found.append([re.split(r"(?<!\\)&", line) for line in lines])
    return found


def require_fitting(tex: str) -> None:
    for table in tabulars(tex):
        widths = [max(map(width, column)) for column in zip(*table, strict=True)]
        widths[0] = min(widths[0], LONGEST_NAME)
        assert sum(widths) + GAP * (len(widths) - 1) <= LINE, table[0]
    for page in re.findall(r"\\begin\{table\}.*?\\end\{table\}", tex, re.DOTALL):
        assert sum(len(table) for table in tabulars(page)) <= LINES + 1


def summary(scores: dict[str, np.ndarray]) -> Summary:
    (found,) = summarize(run(scores))
    return found


@pytest.fixture(scope="module")
def several(results: Results) -> list[Summary]:
    return summarize(results)


def test_the_tables_of_a_run_fit(several: list[Summary]) -> None:
    for table in several:
        for tex in (paper_tables.scores(table, []), paper_tables.categories(table), paper_tables.contrasts(table)):
            require_fitting(tex)
            assert tex.count(r"\caption{") == tex.count(r"\label{") == tex.count(r"\begin{table}") > 0


def test_the_best_is_bold_and_so_are_its_equals() -> None:
    scores = {name: np.zeros((8, 1)) for name in "abcd"}
    scores["b"][:6], scores["c"][:6], scores["d"][:4] = 1, 1, 1
    rows = tabulars(paper_tables.scores(summary(scores), []))[0][1:]
    assert [r"\textbf" in row[1] for row in rows] == [False, True, True, False]
    rows = tabulars(paper_tables.categories(summary(scores)))[0][1:]
    assert [r"\textbf" in row[1] for row in rows] == [False, True, True, False]


def test_an_incomplete_arm_is_never_the_best() -> None:
    scores = {"a": np.zeros((8, 1)), "b": np.ones((8, 1)), "c": np.ones((8, 1))}
    scores["c"][0] = np.nan
    tex = paper_tables.scores(summary(scores), [])
    rows = tabulars(tex)[0][1:]
    assert [r"\textbf" in row[1] for row in rows] == [False, True, False]
    assert "incomplete: 7/8" in rows[2][1]


def test_an_incomplete_category_is_never_the_best_and_says_how_much_is_scored() -> None:
    scores = {name: np.zeros((40, 1)) for name in "abc"}
    scores["b"][:10], scores["c"][:] = 1, np.nan
    scores["c"][0], scores["c"][1::2] = 1, 1
    tex = paper_tables.categories(summary(scores))
    rows = tabulars(tex)[0][1:]
    assert [r"\textbf" in row[1] for row in rows] == [False, True, False]
    assert [r"\textbf" in row[2] for row in rows] == [False, False, True]
    assert "1/20 scored" in rows[2][1]
    assert "the mean of the others" in tex
    require_fitting(tex)


def test_a_difference_that_is_told_apart_has_a_star() -> None:
    rows = tabulars(paper_tables.scores(summary({"a": np.zeros((60, 1)), "b": np.ones((60, 1))}), []))[0]
    assert rows[0][2].strip() == "Difference"
    assert "$^{*}$" in rows[2][2] and "$^{*}$" not in rows[1][2]


def test_sources_stand_below_the_table() -> None:
    tex = paper_tables.scores(summary(random_scores(["a", "b"])), ["X: arXiv 1; 50 % of it"])
    assert r"X: arXiv 1; 50 \% of it." in tex
    assert tex.index(r"\end{tabular}") < tex.index("arXiv")


def test_many_columns_and_rows_are_divided() -> None:
    columns = ["Arm", *(f"category {n}" for n in range(25))]
    rows = [[TexCell(f"arm {n}"), *[TexCell("50.0")] * 25] for n in range(70)]
    tex = floats(TexTable(columns, rows, "Toy: all.", "tab:toy"))
    require_fitting(tex)
    labels = re.findall(r"\\label\{(.*?)\}", tex)
    assert len(set(labels)) == len(labels) > 4
    assert tex.count("Toy (continued).") == len(labels) - 1
    shown = [
        re.sub(r"\\shortstack\[r\]\{category\\\\(\d+)\}", r"category \1", name.strip())
        for table in tabulars(tex)
        for name in table[0][1:]
    ]
    assert sorted(set(shown)) == sorted(columns[1:])


@given(st.text(alphabet="abcmwMWABTi1 =_-/.,%&@—", min_size=1, max_size=40))
def test_widths_are_estimated_with_room_to_spare(text: str) -> None:
    assert letters(text, 8) <= points(text) + 1


names = st.text(alphabet="abcMW123 =_-/.,%&", min_size=1, max_size=80).filter(str.strip)


@given(
    names=st.lists(names, min_size=1, max_size=30),
    heads=st.lists(names, min_size=1, max_size=20),
    small=st.booleans(),
)
def test_any_table_fits(names: list[str], heads: list[str], small: bool) -> None:
    heads = [head[:25] for head in heads]
    cell = TexCell("−100.0", "[−100.0, 100.0]" if small else "", bold=True, star=True)
    rows = [[TexCell(name), *[cell] * len(heads)] for name in names]
    tex = floats(TexTable(["Arm", *heads], rows, "Toy: all.", "tab:toy"))
    require_fitting(tex)
