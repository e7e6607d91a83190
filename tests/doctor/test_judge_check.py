"""The doctor asks a judge what the benchmark will ask it, and reads the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from judge_server import Answer, Call, completion, error, serving

from evalharness.config import sweep_files
from evalharness.doctor import sweep_checks
from evalharness.doctor.check_result import run_checks

Judged = Callable[..., Path]
MODELS = Answer({"object": "list", "data": [{"id": "judge-1"}]})


def lines(file: Path) -> list[str]:
    (spec,) = sweep_files.load(file).benchmarks
    checks = run_checks([("judge asked", lambda: sweep_checks.check_scorer(spec.plugin))])
    return [result.line() for result in checks]


def checked(judged: Judged, answer: Answer, model: str = "judge-1", **settings: Any) -> list[str]:
    """The lines about a judge whose endpoint lists its model and answers so."""

    def respond(call: Call) -> Answer:
        if call.method == "GET":
            return MODELS
        return Answer(completion("Red")) if "Which colour" in call.text else answer

    with serving(respond) as (server, url):
        about = {"name": "openai", "model": model, "base_url": url, "retries": 0, "backoff": 0, **settings}
        result = lines(judged(json.dumps(about)))
    questions = [call for call in server.calls if "question 0" in call.text]
    assert all("image_url" in json.dumps(call.body) for call in questions), "each shows an image"
    assert questions
    return result


def test_a_judge_that_answers(judged: Judged) -> None:
    scorer, judge = checked(judged, Answer(completion("Score: 1")))
    assert scorer.startswith("ok    scorer asked: ")
    assert judge == "ok    judge asked: answers 'Score: 1' to a question with an image, read as 1, by judge-1"


def test_the_list_of_models_is_no_answer(judged: Judged) -> None:
    _, judge = checked(judged, Answer(error("no images for this model"), 400))
    assert judge.startswith("fail  judge asked: the endpoint answers 400: no images for this model")


@pytest.mark.parametrize("text", ["It is a gradient.", ""])
def test_an_answer_that_cannot_be_read_is_a_failure(judged: Judged, text: str) -> None:
    _, judge = checked(judged, Answer(completion(text)))
    assert judge.startswith(f"fail  judge asked: no score: {text!r}; look at what the judge says")


def test_another_model_that_answers_is_a_warning(judged: Judged) -> None:
    _, judge = checked(judged, Answer(completion("Score: 1") | {"model": "judge-1-GPTQ-Int4"}))
    assert judge.startswith("warn  judge asked: answers 'Score: 1'")
    assert judge.endswith("asked for was judge-1, but judge-1-GPTQ-Int4 answered; check model and base_url")


def test_nobody_there_is_one_line(judged: Judged) -> None:
    about = {"name": "openai", "model": "judge-1", "base_url": "http://127.0.0.1:9/v1"}
    scorer, judge = lines(judged(json.dumps(about)))
    assert scorer.startswith("ok    scorer asked: ")
    assert judge.startswith("fail  judge asked: judge judge-1 at http://127.0.0.1:9/v1: no connection")
