from __future__ import annotations

from pathlib import Path

import pytest

from evalharness.config import literature
from evalharness.config.yaml import Document
from evalharness.errors import ConfigError


def test_what_comes_along_has_a_source_for_each_number_and_no_address() -> None:
    rows = literature.rows(["paper"])
    assert {row["benchmark"] for row in rows} == {
        "geneval", "geneval2", "unigenbench", "dpg-bench", "wise-legacy", "wise-verified",
    }  # fmt: skip
    assert all(row["source"] and "//" not in row["source"] + row["note"] for row in rows)
    paper = {row["benchmark"]: row["score"] for row in rows if "2604.04746" in row["source"]}
    assert paper == {"geneval": 0.83, "wise-legacy": 0.76}


def test_categories_are_those_of_the_benchmarks_and_add_up_to_the_score() -> None:
    from evalharness.benchmarks.geneval.benchmark import GenEval
    from evalharness.benchmarks.wise.legacy import WiseLegacy

    weights = {"geneval": GenEval(GenEval.Settings()).weights, "wise-legacy": WiseLegacy.weights}
    rows = [row for row in literature.rows(["paper"]) if row["categories"]]
    assert {row["benchmark"] for row in rows} == weights.keys()
    for row in rows:
        benchmark_weights = weights[row["benchmark"]]
        assert row["categories"].keys() == benchmark_weights.keys()
        plain = sum(row["categories"].values()) / len(benchmark_weights)
        total = sum(weight * row["categories"][name] for name, weight in benchmark_weights.items())
        unweighted = "unweighted mean" in row["note"]
        assert (plain if unweighted else total) == pytest.approx(row["score"], abs=0.0051), row["name"]
        assert not unweighted or f"weights {total:.2f}" in row["note"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {benchmark: x, rows: [{name: a, score: 0.5}]}", r"lit\.yaml:1:\d+: rows\.0: key 'source' is missing"),
        (
            "- {benchmark: x, rows: [{name: a, score: 83, source: s}]}",
            r"lit\.yaml:1:42: rows\.0\.score: .*less than or equal",
        ),
        ("- {benchmark: x, rows: [{name: a, score: 0.5, source: ''}]}", r"rows\.0\.source"),
        ("benchmark: x", r"lit\.yaml:1:1: a list of"),
        ("- {benchmark: x, rows: []}", r"rows: .*at least 1"),
    ],
)
def test_a_mistake_is_answered_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "lit.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        literature.resolve(Document(tmp_path / "sweep.yaml", {}), "lit.yaml")


def test_a_file_is_meant_relative_to_the_sweep_file(tmp_path: Path) -> None:
    (tmp_path / "lit.yaml").write_text("- {benchmark: x, rows: [{name: a, score: 0.5, source: s}]}")
    found = literature.resolve(Document(tmp_path / "sweep.yaml", {}), ["paper", "lit.yaml"])
    assert found == ("paper", str(tmp_path / "lit.yaml"))
    (row,) = literature.rows(found[1:])
    assert (row["benchmark"], row["score"], row["low"]) == ("x", 0.5, None)


def test_the_option_names_a_file_or_one_that_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    assert literature.resolve_option("mine.yaml") == str(tmp_path / "mine.yaml")
    assert literature.resolve_option("paper") == "paper"
    with pytest.raises(ConfigError, match=r"--literature: no file 'papers'.*did you mean 'paper'"):
        literature.resolve_option("papers")
