"""The page over several reports says of each what its results.json says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from page_outline import Outline
from report_samples import INJECTION

from evalharness.errors import EvalHarnessError
from evalharness.report.collection import write_collection


@pytest.fixture(scope="module")
def folder(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("collection")
    shutil.copytree(report, out / "iters")
    shutil.copytree(report, out / "again")
    data = json.loads((out / "again" / "results.json").read_bytes())
    data["headline"]["geneval"] = [INJECTION]
    data["info"]["warnings"] = ["a budget is spent"]
    (out / "again" / "results.json").write_text(json.dumps(data))
    write_collection(out, "Two", ["iters", "never-run"])
    return out


def test_it_leads_to_each_report_in_order(folder: Path) -> None:
    page = Outline((folder / "index.html").read_text(encoding="utf-8"))
    links = [str(attributes["href"]) for tag, attributes in page.tags if tag == "a"]
    files = list(dict.fromkeys(link for link in links if not link.startswith("#")))
    assert files == ["iters/index.html", "again/index.html"]
    assert all((folder / file).is_file() for file in files)
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert all(link[1:] in ids for link in links if link.startswith("#"))
    sheets = [str(attributes["href"]) for tag, attributes in page.tags if tag == "link"]
    assert all((folder / sheet).is_file() for sheet in sheets)
    assert page.open == []


def test_it_says_what_the_reports_say(folder: Path) -> None:
    data = json.loads((folder / "iters" / "results.json").read_bytes())
    page = Outline((folder / "index.html").read_text(encoding="utf-8"))
    text = " ".join(page.text.split())
    assert set(data["headline"]) == {"geneval", "shapes"}
    assert [claim for claims in data["headline"].values() for claim in claims] == data["claims"]
    assert len(data["headline"]["geneval"]) > 1
    for claim in data["claims"]:
        assert " ".join(claim.split()) in text
    assert "nan" not in text
    row = next(row for row in data["summary"]["geneval"] if row["arm"] == "process max_iterations=6")
    overall, low, high = (100 * row[f"overall{end}"] for end in ("", "_low", "_high"))
    assert f"{overall:.1f} [{low:.1f}, {high:.1f}]" in text
    assert f"+{100 * row['difference']:.1f}" in text
    assert "36 prompts × 2" in text
    assert "a budget is spent" in text


def test_bold_is_what_the_report_calls_a_difference(folder: Path, report: Path) -> None:
    def bold(path: Path) -> int:
        page = Outline(path.read_text(encoding="utf-8"))
        return sum(tag == "td" and "strong" in str(attributes.get("class")) for tag, attributes in page.tags)

    page = (report / "index.html").read_text(encoding="utf-8")
    headlines = page.count('class="scroll compact"')
    assert headlines == 2
    text = page.split('class="scroll compact"')
    expected = sum(part.split("</table>")[0].count("strong") for part in text[1:])
    assert bold(folder / "index.html") == 2 * expected > 0


def test_hostile_text_stays_text(folder: Path) -> None:
    page = Outline((folder / "index.html").read_text(encoding="utf-8"))
    assert INJECTION in page.text
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]


def test_a_folder_without_reports_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(EvalHarnessError, match="holds no report"):
        write_collection(tmp_path, "None")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "results.json").write_text("{")
    with pytest.raises(EvalHarnessError, match=r"results\.json cannot be read"):
        write_collection(tmp_path, "Broken")
