"""GenEval 2: its file, its rules, and runs with a network here and with an endpoint."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_server import Answer, Call, completion, serving
from scipy.stats import gmean

from evalharness._util.exit_codes import ExitCode
from evalharness.api.benchmark import Exported
from evalharness.assets.weights_folder import embedded_weights
from evalharness.benchmarks.geneval2.benchmark import GenEval2
from evalharness.benchmarks.geneval2.soft_tifa import (
    YES,
    arithmetic_mean,
    combined,
    geometric_mean,
    read_probability,
    surface_forms,
)
from evalharness.cli import sweep
from evalharness.errors import ConfigError
from evalharness.types.score import Score

LINES = [
    {
        "prompt": "two red cups",
        "atom_count": 3,
        "vqa_list": [["How many cups are in the image?", "two"], ["Are the cups red?", "Yes"]],
        "skills": ["count", "attribute"],
    },
    {
        "prompt": "a dog and a cat and a cow",
        "atom_count": 4,
        "vqa_list": [["Are there any dogs in the image?", "Yes"]],
        "skills": ["object"],
    },
]


def write(folder: Path, lines: list[Any] = LINES) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def benchmark(path: Path, **settings: Any) -> GenEval2:
    given_settings = {"judge": {"name": "transformers"}, "prompts": str(path), **settings}
    return GenEval2(GenEval2.Settings.model_validate(given_settings))


# --- the rules ---

probabilities = st.lists(st.floats(1e-12, 1), min_size=1, max_size=11)


@given(probabilities)
def test_means_are_those_of_scipy(values: list[float]) -> None:
    assert geometric_mean(values) == pytest.approx(float(gmean(values)), rel=1e-12)
    assert arithmetic_mean(values) == pytest.approx(sum(values) / len(values))
    assert geometric_mean([*values, 0.0]) == 0


def test_ways_to_write_an_answer() -> None:
    assert surface_forms("How many cups are there?", "ten") == ("ten", "Ten", " ten", " Ten", "10", " 10")
    assert surface_forms("How many cups are there?", "eleven")[4:] == ("other", " other"), "as published"
    assert surface_forms("Is it red?", "No") == YES, "as published, whatever the file says"


@given(st.text())
def test_any_reply_is_a_probability_or_none(text: str) -> None:
    score = read_probability(text)
    assert score is None or 0 <= score.value <= 1
    assert read_probability("nan") is None
    assert read_probability("1.25") == Score(1.0)


# --- the file ---


def test_items(tmp_path: Path) -> None:
    cups, animals = benchmark(write(tmp_path)).items()
    assert (cups.id, cups.category, animals.category) == ("00000", "3", "4")
    assert cups.metadata["questions"][1] == {"question": "Are the cups red?", "answer": "Yes", "skill": "attribute"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"atom_count": 11}, "atom_count"),
        ({"skills": ["count"]}, "1 skills for 2 questions"),
        ({"vqa_list": [["Are the cups red?"]]}, "vqa_list"),
        ({"more": 1}, "more"),
    ],
)
def test_a_line_at_fault_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"prompts.jsonl:2: .*{message}"):
        benchmark(write(tmp_path, [LINES[1], LINES[0] | change])).items()


def test_the_published_file_has_to_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path))
    settings = GenEval2.Settings.model_validate({"judge": {"name": "transformers"}})
    with pytest.raises(Exception, match="evalharness fetch geneval2"):
        GenEval2(settings).items()


def test_a_judge_that_knows_no_probabilities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="judge 'mock' cannot say how probable an answer is"):
        benchmark(write(tmp_path), judge={"name": "mock"}).scorer()


def test_scores_of_another_judge_are_marked(tmp_path: Path) -> None:
    (note,) = benchmark(write(tmp_path)).notes()
    assert "Qwen/Qwen3-VL-8B-Instruct" in note
    assert (
        benchmark(write(tmp_path), judge={"name": "transformers", "weights": "Qwen/Qwen3-VL-8B-Instruct"}).notes() == []
    )


# --- runs ---


def run(folder: Path, judge: str, mean: str = "geometric") -> dict[str, Any]:
    write(folder)
    file = folder / f"{mean}.yaml"
    file.write_text(
        f"name: {mean}\nmodel: mock\nbenchmarks:\n"
        f"  - {{name: geneval2, prompts: prompts.jsonl, mean: {mean}, judge: {judge}}}\n"
        "arms:\n  - {name: single-pass, variant: single_pass}\n"
    )
    out = folder / "r" / mean
    assert sweep.main([str(file), "--out", str(out), "--quiet"]) in (ExitCode.COMPLETE, ExitCode.INCOMPLETE)
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    (row,) = results["summary"]["geneval2"]
    return dict(row)


def test_an_endpoint_is_asked_for_log_probabilities_once_for_both_means(tmp_path: Path) -> None:
    """Two cups: 0.5 + 0.25; red: 0.16; a dog: 1."""
    calls: list[dict[str, Any]] = []

    def respond(call: Call) -> Answer:
        if call.method == "GET":
            return Answer({"data": [{"id": "judge-1"}]})
        answer = completion("x")
        calls.append(call.body)
        if call.body.get("logprobs"):
            listed = {"cups are": {"two": 0.5, " 2": 0.25, "three": 0.2}, "red": {"Yes": 0.16}, "dogs": {"yes": 1.0}}
            tokens = next(tokens for word, tokens in listed.items() if word in call.text)
            top = [{"token": token, "logprob": math.log(value)} for token, value in tokens.items()]
            answer["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": -1, "top_logprobs": top}]}
        return Answer(answer)

    with serving(respond) as (_, url):
        judge = f"{{name: openai, base_url: '{url}', model: judge-1}}"
        geometric = run(tmp_path, judge)
        asked = len([call for call in calls if call.get("logprobs")])
        arithmetic = run(tmp_path, judge, "arithmetic")
    assert asked == len([call for call in calls if call.get("logprobs")]) == 3, "replies are shared"
    assert all((call["max_tokens"], call["top_logprobs"]) == (1, 20) for call in calls if call.get("logprobs"))
    assert geometric["overall"] == pytest.approx((math.sqrt(0.75 * 0.16) + 1) / 2)
    assert arithmetic["overall"] == pytest.approx(((0.75 + 0.16) / 2 + 1) / 2)


@pytest.mark.skipif(not embedded_weights("judge").is_dir(), reason="no embedded judge")
def test_a_network_here(tmp_path: Path) -> None:
    row = run(tmp_path, "transformers")
    assert 0 < row["overall"] < 1


def test_an_export_has_what_the_published_analysis_reads(tmp_path: Path) -> None:
    tested = benchmark(write(tmp_path))
    items = tested.items()
    answers = [[Score(0.75), Score(0.16)], [Score(1.0)]]
    samples = [
        Exported(item, 0, b"png", combined(item, given_answers, geometric=True))
        for item, given_answers in zip(items, answers, strict=True)
    ]
    out = tmp_path / "export"
    out.mkdir()
    tested.export(samples, out, {})
    assert json.loads((out / "score_lists.json").read_text()) == [[0.75, 0.16], [1.0]]
    assert json.loads((out / "images.json").read_text()) == {
        "two red cups": "00000.png",
        LINES[1]["prompt"]: "00001.png",
    }
    assert [json.loads(line) for line in (out / "geneval2_data.jsonl").read_text().splitlines()] == LINES
