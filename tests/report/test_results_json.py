"""``results.json`` and the files beside it, read by lm-eval's own code and against the tables."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.report import results_json, sample_files
from evalharness.report.summary import summarize
from evalharness.store.results import Results

lm_eval_utils = pytest.importorskip("lm_eval.utils")


@pytest.fixture(scope="module")
def folder(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("numbers")
    claims = {"geneval": ["a claim", "another"], "shapes": ["a third"]}
    results_json.write_results(results, summarize(results), out, claims=claims, judging={})
    files = sample_files.write_sample_files(results, out)
    assert {name: (out / file).is_file() for name, file in files.items()} == {"geneval": True, "shapes": True}
    return out


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    numbers: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"), parse_constant=refuse)
    return numbers


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[dict[str, Any]]:
    (path,) = (folder / "samples").glob("samples_geneval_*.jsonl")
    assert lm_eval_utils.get_file_task_name(path.name) == "geneval"
    assert lm_eval_utils.get_sample_results_filenames([str(path)]) == [str(path)]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_its_keys_are_lm_eval_s(data: dict[str, Any]) -> None:
    from lm_eval.result_schema import EvalResults

    assert {"results", "groups", "versions", "n-samples", "config", "git_hash", "date"} <= data.keys()
    ours = {
        "info",
        "claims",
        "headline",
        "arms",
        "summary",
        "analysis",
        "judging",
        "cost",
        "failures",
        "suspect_images",
    }
    assert data.keys() - ours <= set(EvalResults.__annotations__)


def test_lm_eval_prints_it_as_its_own(data: dict[str, Any], results: Results) -> None:
    table = lm_eval_utils.make_table(data)
    row = summarize(results)[0].wide.set_index("arm").loc["single-pass"]
    (line,) = [line for line in table.splitlines() if line.startswith("|geneval/single-pass ")]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells == [
        "geneval/single-pass",
        "1",
        "none",
        "0",
        "score",
        "↑",
        f"{row['overall']:.4f}",
        "±",
        f"{row['overall_se']:.4f}",
    ]
    groups = lm_eval_utils.make_table(data, column="groups")
    assert "geneval/process max_iterations=6" in groups
    assert "geneval/single-pass/counting" not in groups
    assert " - geneval/single-pass/counting" in table


def test_an_incomplete_arm_has_no_overall_score(data: dict[str, Any]) -> None:
    task = "geneval/process max_iterations=5"
    assert data["results"][task]["score,none"] is None
    assert data["results"][task]["score_stderr,none"] == "N/A"
    assert data["n-samples"][task] == {"original": 553, "effective": 36, "samples": 72, "scored": 69}


def test_it_says_on_what_it_was_made(data: dict[str, Any], results: Results) -> None:
    info = data["info"]
    assert {"sweep", "models", "versions", "git_commit", "hardware", "started", "wall_seconds", "seed"} <= info.keys()
    assert info["benchmarks"]["geneval"]["prompt_digest"] == data["task_hashes"]["geneval/single-pass"]
    assert data["config"]["random_seed"] == 0
    assert data["config"]["model_args"]["miniature"]["weights"] == "ab12cd34" * 8
    assert data["configs"]["geneval/single-pass"]["metadata"]["scorer"]["detector"]["weights"] == "c9d0c4f2" * 8
    task = data["configs"]["geneval/single-pass/counting"]
    assert task == {"task": "geneval", "arm": "single-pass", "output_type": "generate_until"}
    drawn = results.samples[
        (results.samples["arm"] == "text-cot") & results.samples["state"].isin(["scored", "generated"])
    ]
    assert data["cost"]["arms"]["text-cot"]["evaluations"] == drawn["evaluations"].sum()


def test_work_that_arms_share_counts_once(data: dict[str, Any], results: Results) -> None:
    longest: dict[str, float] = {}
    for row in results.samples.itertuples():
        if isinstance(row.trajectory, str):
            longest[row.trajectory] = max(longest.get(row.trajectory, 0.0), float(row.seconds))
    assert data["cost"]["model_seconds"] == pytest.approx(sum(longest.values()), abs=0.06)
    assert data["cost"]["model_seconds"] < sum(arm["seconds"] for arm in data["cost"]["arms"].values())


def test_every_sample_has_a_line(lines: list[dict[str, Any]], results: Results) -> None:
    from lm_eval.result_schema import SampleResult

    samples = results.samples[results.samples["benchmark"] == "geneval"]
    assert len(lines) == len(samples)
    for line, row in zip(lines, samples.to_dict("records"), strict=True):
        assert set(SampleResult.__annotations__) <= line.keys()
        assert line["metrics"] == ["score"]
        assert line["score"] == (row["score"] if row["state"] == "scored" else None)
        assert (line["arm"], line["seed"], line["state"]) == (row["arm"], row["seed"], row["state"])
        assert line["doc"]["item"] == row["item"]
        assert line["arguments"]["gen_args_0"]["arg_0"] == row["prompt"]
        assert line["prompt_hash"] == hashlib.sha256(row["prompt"].encode()).hexdigest()
        assert line["image"] == line["filtered_resps"][0] or line["image"] is None
    assert len({line["doc_id"] for line in lines}) == samples["item"].nunique()


def test_the_samples_give_the_scores_of_the_table(lines: list[dict[str, Any]], data: dict[str, Any]) -> None:
    scores = [line["score"] for line in lines if line["arm"] == "text-cot" and line["doc"]["category"] == "counting"]
    assert data["results"]["geneval/text-cot/counting"]["score,none"] == pytest.approx(sum(scores) / len(scores))
