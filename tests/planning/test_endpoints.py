"""Endpoints that serve models of one name do not share what they make unless they are meant to be one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evalharness.config import sweep_files
from evalharness.errors import ConfigError
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan

pytest.importorskip("openai", reason="the extra `images-api` is not installed")
pytest.importorskip("aiohttp", reason="the extra `images-api` is not installed")

Write = Callable[[str], Path]
SWEEP = """\
name: endpoints
models:
  mine: {{name: images-api, model: flux, base_url: "http://mine:8000/v1"{mine}}}
  theirs: {{name: images-api, model: flux, base_url: "{address}"{theirs}}}
benchmarks: [{{name: mock, limit: 2, samples: 1}}]
arms:
  - {{name: a, model: mine, variant: single_pass}}
  - {{name: b, model: theirs, variant: single_pass}}
"""
THEIRS = "https://theirs.example:8001/v1"


def plan(write: Write, address: str = THEIRS, mine: str = "", theirs: str = "") -> Plan:
    return make_plan(sweep_files.load(write(SWEEP.format(address=address, mine=mine, theirs=theirs))))


def test_two_endpoints_of_one_identity_are_refused(sweep_file: Write) -> None:
    for address in (THEIRS, "http://mine:8001/v1", "https://mine:8000/v1", "http://mine:8000/v2"):
        with pytest.raises(
            ConfigError, match=r"models 'mine' and 'theirs' .* different addresses, .* `served_by: NAME`"
        ):
            plan(sweep_file, address)


@pytest.mark.parametrize("more", [{"theirs": ", served_by: them"}, {"mine": ", served_by: us"}])
def test_a_name_of_who_serves_keeps_them_apart(sweep_file: Write, more: dict[str, str]) -> None:
    assert len(plan(sweep_file, **more).jobs) == 4


def test_models_that_differ_need_no_name(sweep_file: Write) -> None:
    assert len(plan(sweep_file, theirs=", extra_body: {size: small}").jobs) == 4


def test_one_endpoint_by_two_names_is_shared(sweep_file: Write) -> None:
    assert len(plan(sweep_file, "http://mine:8000/v1/").jobs) == 2


def test_a_moved_endpoint_has_the_keys_of_before(sweep_file: Write) -> None:
    names = {"mine": ", served_by: us", "theirs": ", served_by: them"}
    assert plan(sweep_file, THEIRS, **names).jobs.keys() == plan(sweep_file, "http://node17:80/v1", **names).jobs.keys()


def test_no_address_is_in_an_identity(sweep_file: Write) -> None:
    assert "theirs.example" not in str(plan(sweep_file, theirs=", served_by: them").models)


JUDGED = """\
name: judged
model: mock
benchmarks:
  - name: edits
    prompts: {prompts}
    judge: {{name: openai, model: m, base_url: "http://one/v1"}}
    second_judge: {{name: openai, model: m, base_url: "http://two/v1"{more}}}
arms: [{{name: a, variant: single_pass}}]
"""


def test_a_second_judge_is_another_one(sweep_file: Write, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"a picture")
    (tmp_path / "edits.jsonl").write_text('{"prompt": "add a cat", "image": "cat.png"}\n')
    prompts = tmp_path / "edits.jsonl"
    with pytest.raises(ConfigError, match="benchmark 'edits': the second judge is the first one again"):
        make_plan(sweep_files.load(sweep_file(JUDGED.format(prompts=prompts, more=""))))
    other = make_plan(sweep_files.load(sweep_file(JUDGED.format(prompts=prompts, more=", served_by: two"))))
    (rescoring,) = other.benchmarks["edits"].rescorings
    assert rescoring.scorer_digest != other.benchmarks["edits"].scorer_digest
