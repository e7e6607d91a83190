"""Results in formats of others: against their schemas where these are, against rules written down here everywhere."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from mock_sweeps import SWEEP

from evalharness.cli import main, sweep
from evalharness.report.every_eval_ever import Evaluator, write_records
from evalharness.report.model_index import model_indices, write_model_index
from evalharness.report.summary import summarize
from evalharness.store.results import Results

SCHEMAS = [parent / "shared" / "data" / "every-eval-ever" for parent in Path(__file__).resolve().parents]
"""Folders that may have the published schemas, version 0.3.0."""
FILE = re.compile(r"data/[^/]+/[^/]+/[^/]+/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.json")
Write = Callable[[str], Path]


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eee")
    assert write_records(results, folder, Evaluator("ACME", "third_party", 1_800_000_000.4)) == 16
    return folder


def load(written: Path) -> list[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Each record with its path and its samples."""
    loaded = []
    for path in sorted(written.rglob("*.json")):
        samples = path.with_name(f"{path.stem}_samples.jsonl").read_text().splitlines()
        name = path.relative_to(written).as_posix()
        loaded.append((name, json.loads(path.read_text()), [json.loads(line) for line in samples]))
    return loaded


def test_records_are_valid_by_the_published_schemas(written: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    folder = next((folder for folder in SCHEMAS if folder.is_dir()), None)
    if folder is None:
        pytest.skip("the schemas of Every Eval Ever are not on this machine")
    names = ("eval.schema.json", "instance_level_eval.schema.json")
    of_record, of_sample = (jsonschema.Draft7Validator(json.loads((folder / name).read_text())) for name in names)
    for name, record, samples in load(written):
        assert [error.message for error in of_record.iter_errors(record)] == [], name
        for sample in samples:
            assert [error.message for error in of_sample.iter_errors(sample)] == [], name


def test_samples_lie_where_the_record_says_with_its_digest(written: Path) -> None:
    for name, record, samples in load(written):
        assert FILE.fullmatch(name)
        details = record["detailed_evaluation_results"]
        data = (written / details["file_path"]).read_bytes()
        assert details["file_path"] == name.replace(".json", "_samples.jsonl")
        assert hashlib.sha256(data).hexdigest() == details["checksum"]
        assert details["total_rows"] == len(samples) > 0


def test_each_sample_belongs_to_a_result(written: Path) -> None:
    for _, record, samples in load(written):
        results = {entry["evaluation_result_id"]: entry for entry in record["evaluation_results"]}
        assert len(results) == len(record["evaluation_results"])
        counts = Counter(sample["evaluation_result_id"] for sample in samples if "evaluation_result_id" in sample)
        for key, count in counts.items():
            assert results[key]["score_details"]["uncertainty"]["num_samples"] == count
            members = [sample["evaluation"]["score"] for sample in samples if sample.get("evaluation_result_id") == key]
            assert results[key]["score_details"]["score"] == pytest.approx(sum(members) / count)
        assert {sample["evaluation_id"] for sample in samples} == {record["evaluation_id"]}


def test_scores_have_their_uncertainty_and_an_unknown_one_is_left_out(written: Path, results: Results) -> None:
    rows = summarize(results)[0].rows
    found = {}
    for name, record, _ in load(written):
        if name.startswith("data/geneval/"):
            arm = record["model_info"]["additional_details"]["arm"]
            overall = [e for e in record["evaluation_results"] if e["evaluation_result_id"].endswith("/overall")]
            found[arm] = overall
    assert found["process max_iterations=5"] == []  # samples are missing
    (entry,) = found["single-pass"]
    row, details = rows["single-pass"], entry["score_details"]
    assert details["score"] == row["overall"]
    assert details["uncertainty"]["standard_error"]["value"] == row["overall_se"]
    interval = details["uncertainty"]["confidence_interval"]
    assert (interval["lower"], interval["upper"], interval["confidence_level"]) == (
        row["overall_low"], row["overall_high"], 0.95,
    )  # fmt: skip


def test_the_same_run_has_the_same_names_again(written: Path, results: Results, tmp_path: Path) -> None:
    write_records(results, tmp_path, Evaluator(time=1_900_000_000.0), ["single-pass"])
    again = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")}
    assert len(again) == 2
    assert again <= {name for name, *_ in load(written)}


def test_a_model_index_is_read_by_the_hub_as_it_was_meant(results: Results, tmp_path: Path) -> None:
    assert write_model_index(results, tmp_path) == 1
    text = (tmp_path / "miniature.yaml").read_text()
    card = ModelCard(f"---\n{text}---\n# A model\n")
    assert card.data.model_name == "miniature"
    rows = summarize(results)[0].rows
    found = {
        (result.dataset_config, result.metric_name): result
        for result in card.data.eval_results or []
        if result.dataset_type == "geneval"
    }
    overall = found["single-pass", "geneval, overall"]
    assert overall.metric_value == pytest.approx(rows["single-pass"]["overall"], abs=1e-6)
    assert overall.metric_args["low"] == pytest.approx(rows["single-pass"]["overall_low"], abs=1e-6)
    assert overall.task_type == "text-to-image"
    assert ("process max_iterations=5", "geneval, overall") not in found
    assert ("process max_iterations=5", "geneval, counting") in found
    assert yaml.safe_load(text)["model-index"] == model_indices(results)["miniature"]
    name, entries = model_index_to_eval_results(model_indices(results, ["text-cot"])["miniature"])
    assert name == "miniature"
    assert {entry.dataset_config for entry in entries} == {"text-cot"}


def test_the_command_writes_both(sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r" / "tiny"
    assert sweep.main([str(sweep_file(SWEEP)), "--out", str(out), "--quiet"]) == 0
    capsys.readouterr()
    to = tmp_path / "eee"
    arguments = ["export", str(out), "--format", "every-eval-ever", "--out", str(to), "--organization", "ACME"]
    assert main.main(arguments) == 0
    assert capsys.readouterr().out == f"4 files: {to}\n"
    assert {record["source_metadata"]["source_organization_name"] for _, record, _ in load(to)} == {"ACME"}
    index = tmp_path / "index"
    assert main.main(["export", str(out), "--format", "model-index", "--arm", "single", "--out", str(index)]) == 0
    assert [path.name for path in index.iterdir()] == ["mock.yaml"]
    assert main.main(["export", str(out), "--format", "model-index", "--arm", "singel"]) == 2
    assert "no arm is called 'singel'; did you mean 'single'?" in capsys.readouterr().err
