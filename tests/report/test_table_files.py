"""Frames and LaTeX."""

from __future__ import annotations

import doctest
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.report import analysis_frames, latex, summary, table_files
from evalharness.report.formatting import slug
from evalharness.report.latex_floats import TexCell, TexTable, floats
from evalharness.store.results import Results

QUOTED = [
    {"benchmark": "geneval", "name": "A & B_7", "score": 0.83, "low": None, "high": None,
     "categories": {"counting": 0.5}, "note": "100 % theirs", "source": "arXiv 2604.04746"},
    {"benchmark": "wise-legacy", "name": "Elsewhere", "score": 0.1, "low": None, "high": None, "categories": {},
     "note": "", "source": "x"},
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(results: Results, tmp_path_factory: pytest.TempPathFactory) -> tuple[summary.Summary, Path]:
    quoting = replace(results, info=dict(results.info) | {"literature": QUOTED})
    built = summary.summarize(quoting)
    folder = tmp_path_factory.mktemp("tables")
    table_files.write_tables(built, folder)
    return built[0], folder


def test_examples() -> None:
    assert doctest.testmod(latex).failed == 0


def test_contrasts_have_a_row_each_and_one_for_each_category(tables: tuple[summary.Summary, Path]) -> None:
    table, folder = tables
    for read in (pd.read_csv, pd.read_parquet):
        suffix = "csv" if read is pd.read_csv else "parquet"
        frame = read(folder / f"geneval-contrasts.{suffix}")
        assert len(frame) == 7 * 7
        overall = frame[frame["category"] == "overall"].set_index("arm")
        wide = table.wide.set_index("arm")
        for name, other in (("difference", "difference"), ("p_adjusted", "p_adjusted"), ("fixed", "fixed")):
            assert overall.loc["text-cot", name] == pytest.approx(wide.loc["text-cot", other])
        parts = frame[(frame["arm"] == "text-cot") & (frame["category"] != "overall")]
        assert parts["fixed"].sum() == wide.loc["text-cot", "fixed"]
    assert list(analysis_frames.contrasts(table.analysis.contrasts).columns) == list(analysis_frames.CONTRAST_COLUMNS)


def test_every_frame_survives_its_files(tables: tuple[summary.Summary, Path]) -> None:
    table, folder = tables
    for name, frame in analysis_frames.frames(table.analysis).items():
        if len(frame):
            back = pd.read_parquet(folder / f"geneval-{name}.parquet")
            pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert not (folder / "geneval-trends.csv").exists()


def test_quoted_rows_stand_apart_with_their_sources(tables: tuple[summary.Summary, Path]) -> None:
    _, folder = tables
    text = (folder / "geneval-wide.md").read_text()
    measured, _, quoted = text.partition("Quoted, not measured here:")
    assert "A &amp; B_7" not in measured
    assert "A &amp; B_7 (quoted)" in quoted
    assert "arXiv 2604.04746; 100 % theirs" in quoted
    assert "Elsewhere" not in text
    tex = (folder / "geneval.tex").read_text()
    rows = tex.partition(r"\emph{Quoted, not measured here}")
    assert "single-pass" in rows[0]
    assert r"A \& B\_7" in rows[2]
    assert r"arXiv 2604.04746; 100 \% theirs" in rows[2]


def test_latex_has_as_many_cells_in_each_row(tables: tuple[summary.Summary, Path]) -> None:
    _, folder = tables
    paths = list(folder.glob("*.tex"))
    assert paths
    for path in paths:
        lines = path.read_text().splitlines()
        width, rows = 0, 0
        for line in lines:
            if line.startswith(r"\begin{tabular}"):
                width = line.count("r", len(r"\begin{tabular}{@{}l")) + 1
            elif line.endswith(r"\\") and not line.startswith(r"\multicolumn"):
                assert line.replace(r"\&", "").count("&") + 1 == width
                rows += 1
        assert rows > 3


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX here")
def test_latex_compiles_and_fits_the_page(tables: tuple[summary.Summary, Path], tmp_path: Path) -> None:
    _, folder = tables
    long_names = ["process max_iterations=8 − best-of-n n=4 ≠ a → b", "M" * 80, r"50 % of #a_b | c\d {e} ~ ^ <f> & $g"]
    rows = [[TexCell(name), *[TexCell("−100.0", "[−100.0, 100.0]", bold=True, star=True)] * 9] for name in long_names]
    long = floats(TexTable(["Arm", *map(str, range(9))], rows, "Toy: all.", "tab:toy", notes=["≈ other environment"]))
    body = "\n\n".join([*(path.read_text() for path in folder.glob("*.tex")), long])
    source = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "x.tex").write_text(source)
    subprocess.run(["pdflatex", "-halt-on-error", "x.tex"], cwd=tmp_path, capture_output=True, check=True)
    assert "Overfull" not in (tmp_path / "x.log").read_text()


@given(st.lists(st.text(alphabet="ab .-_(/Ü", max_size=4), min_size=2, max_size=12, unique=True))
def test_different_benchmarks_have_different_files(names: list[str]) -> None:
    files = [slug(name) for name in names]
    assert len(set(files)) == len(names)
    assert all(file and set(file) <= set("abcdefÜ0123456789-_") for file in files)
