"""What a report says that sets a score apart from published ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from plugin_packages import InstallPlugins
from pydantic import Field
from wise_prompt_files import prompt_entry

from evalharness.api.plugin_ref import JudgeRef
from evalharness.benchmarks.wise.base import Wise
from evalharness.benchmarks.wise.legacy import WiseLegacy
from evalharness.benchmarks.wise.prompt_files import CATEGORIES, File
from evalharness.benchmarks.wise.replies import read_bit
from evalharness.benchmarks.wise.rubrics import FUNCTION, OwnRubric
from evalharness.benchmarks.wise.verified import WiseVerified
from evalharness.errors import ConfigError
from evalharness.judges.judge_scorer import RubricScorer
from evalharness.testing import MockJudge
from evalharness.types.reply import Reply
from evalharness.types.score import Score

OFF = {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}
QWEN = {"name": "openai", "model": "Qwen/Qwen3.5-35B-A3B", "temperature": 0.0}
THINKS = "the protocol switches the judge's thinking off (enable_thinking: false), this run did not."
OTHER = "the judge is {}, not the protocol's, which is Qwen3.5-35B-A3B."
QUANTISED = "the judge is {}, a quantised version of the protocol's Qwen3.5-35B-A3B: another model."
DEFAULT = "no temperature is sent, so the judge decodes at its server's default; the protocol's is 0."
JPEG = "the judge is sent a JPEG file; the protocol sends the image as it is."
SMALL = "the judge is sent a PNG file, at most 512 pixels on its longer side; the protocol sends the image as it is."
LM_EVAL = {"name": "lm-eval", "model": "hf-multimodal", "temperature": 0.0}
WARM = "the judge's temperature is 0.7, the protocol's is 0."
SCRIPT = f"def {FUNCTION}(item, image): return [{{'role': 'user', 'content': 'data:image/png;base64,' + image}}]"


class Named(MockJudge):
    """A judge with the identity that a test gives it."""

    name = "named"
    given: Mapping[str, Any] = {}

    def identity(self) -> Mapping[str, Any]:
        return Named.given


@pytest.fixture(autouse=True)
def named(install_plugins: InstallPlugins) -> None:
    install_plugins(judges={"named": Named, "other": Named})


def benchmark(monkeypatch: pytest.MonkeyPatch, identity: Mapping[str, Any], cls: type[Wise], **other: Any) -> Wise:
    monkeypatch.setattr(Named, "given", identity)
    return cls(cls.Settings.model_validate({"judge": "named", **other}))


@pytest.mark.parametrize(
    ("identity", "cls", "notes"),
    [
        (QWEN | OFF, WiseVerified, []),
        (QWEN, WiseVerified, [THINKS]),
        (QWEN | {"model_args": "enable_thinking=False"}, WiseVerified, []),
        (QWEN | OFF | {"temperature": 0.7}, WiseVerified, [WARM]),
        ({"model": "gpt-4o"}, WiseVerified, ["the judge is gpt-4o, not the protocol's, which is Qwen3.5-35B-A3B."]),
        ({"model": "not-Qwen3.5-35B-A3B"}, WiseVerified, [OTHER.format("not-Qwen3.5-35B-A3B")]),
        ({"model": "Qwen3.5-35B-A3B-Instruct"}, WiseVerified, [OTHER.format("Qwen3.5-35B-A3B-Instruct")]),
        ({"name": "Qwen3.5-35B-A3B-fan", "model": "x"}, WiseVerified, [OTHER.format("x")]),
        ({"model": "Qwen3.5-35B-A3B-GPTQ-Int4"}, WiseVerified, [QUANTISED.format("Qwen3.5-35B-A3B-GPTQ-Int4")]),
        ({"model": "Qwen/Qwen3.5-35B-A3B-FP8"}, WiseVerified, [QUANTISED.format("Qwen/Qwen3.5-35B-A3B-FP8")]),
        (QWEN | OFF | {"model": "/models/qwen3.5-35b-a3b/"}, WiseVerified, []),
        (QWEN | OFF | {"temperature": None}, WiseVerified, [DEFAULT]),
        (LM_EVAL | {"args": {"pretrained": "Qwen/Qwen3.5-35B-A3B", "enable_thinking": False}}, WiseVerified, []),
        (QWEN | OFF | {"images": {"format": "jpeg", "max_side": None, "quality": 95}}, WiseVerified, [JPEG]),
        ({"judge": QWEN | OFF | {"images": {"format": "png", "max_side": 512}}}, WiseVerified, [SMALL]),
        (LM_EVAL | {"args": {"pretrained": "0" * 64}}, WiseVerified, [OTHER.format("0" * 64)]),
        ({"judge": {"model": "gpt-4o-2024-05-13", "temperature": 0}}, WiseLegacy, []),
        ({"judge": QWEN | OFF | {"temperature": 0.7}}, WiseVerified, [WARM]),
        (
            {"model": "gpt-4o-2024-11-20"},
            WiseLegacy,
            ["the judge is gpt-4o-2024-11-20, not the protocol's, which is gpt-4o-2024-05-13."],
        ),
    ],
)
def test_the_judge(
    identity: Mapping[str, Any], cls: type[Wise], notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert benchmark(monkeypatch, identity, cls).notes()[1:] == notes


def test_the_rubric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = benchmark(monkeypatch, QWEN | OFF, WiseVerified)
    assert plain.title() == "wise-verified (own rubric)"
    assert plain.notes()[0].startswith(f"judged by this project's own rubric (digest {plain.rubric().digest()[:8]})")

    (tmp_path / "vllm_eval.py").write_text(SCRIPT)
    changed = benchmark(monkeypatch, QWEN | OFF, WiseVerified, rubric={"official": tmp_path})
    assert changed.title() == "wise-verified (changed official rubric)"
    assert changed.notes()[0].endswith("is not the published one.")

    monkeypatch.setattr(WiseVerified, "rubric_digest", changed.rubric().digest())
    official = benchmark(monkeypatch, QWEN | OFF, WiseVerified, rubric={"official": tmp_path})
    assert official.title() == "wise-verified"
    assert official.notes() == []
    assert official.scorer().identity()["replies"] == {"parser": "official", "cut": "as-published"}


@pytest.mark.parametrize(
    ("settings", "replies", "note"),
    [
        ({}, ("official", "as-published"), None),
        ({"parser": "strict"}, ("strict", "fail"), "strict parser, not by the published one"),
        ({"parser": "strict", "cut_replies": "as-published"}, ("strict", "as-published"), "strict parser, not by the"),
        ({"cut_replies": "fail"}, ("official", "fail"), "cut off, refused or empty have no score"),
        ({"rubric": "own"}, ("strict", "fail"), None),
        ({"rubric": "own", "parser": "official"}, ("official", "as-published"), "by the published parser, with its"),
    ],
)
def test_the_parser_belongs_to_the_rubric_unless_another_is_named(
    settings: dict[str, Any],
    replies: tuple[str, str],
    note: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "vllm_eval.py").write_text(SCRIPT)
    official = {"rubric": {"official": tmp_path}} | settings
    made = benchmark(monkeypatch, QWEN | OFF, WiseVerified, **official)
    monkeypatch.setattr(WiseVerified, "rubric_digest", made.rubric().digest())
    tested = benchmark(monkeypatch, QWEN | OFF, WiseVerified, **official)
    assert tested.scorer().identity()["replies"] == dict(zip(("parser", "cut"), replies, strict=True))
    notes = [line for line in tested.notes() if "project's own rubric" not in line]
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]


def test_the_range_of_the_scores_is_that_of_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    assert benchmark(monkeypatch, QWEN, WiseLegacy).scorer().score_range == (0.0, 1.0)
    assert benchmark(monkeypatch, QWEN, WiseLegacy, parser="official").scorer().score_range == (0.0, 4.5)


def test_a_benchmark_without_a_published_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WiseVerified, "published_parser", None)
    with pytest.raises(ConfigError, match="wise-verified has no published parser; leave out the key 'parser'"):
        benchmark(monkeypatch, QWEN, WiseVerified, parser="official").scorer()


def test_a_benchmark_without_a_published_rubric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WiseVerified, "scripts", ())
    with pytest.raises(ConfigError, match="wise-verified has no rubric but its own"):
        benchmark(monkeypatch, QWEN, WiseVerified, rubric={"official": tmp_path}).scorer()


def test_all_judges_are_there_to_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    repeated = benchmark(monkeypatch, QWEN, WiseVerified, judge_repeats=3, second_judge="other")
    scorer, checks = repeated.scorer(), repeated.rescorings()
    assert len(scorer.judges) == 2
    assert [check.name for check in checks] == ["repeat 1", "repeat 2", "second judge"]
    extra = [check.scorer for check in checks if isinstance(check.scorer, RubricScorer)]
    assert [again.primary for again in extra] == [scorer.primary, scorer.primary, scorer.judges[1]], (
        "one judge, one budget"
    )
    assert [again.repeat for again in extra] == [1, 2, 0]
    assert [check.items for check in checks] == [60, 60, None]
    assert extra[2].identity() == scorer.identity(), "of two judges that are the same"


class Riddles(Wise):
    """A benchmark of the same kind with six prompts of its own."""

    name = "riddles"
    max_tokens = 20
    ids: ClassVar[Mapping[str, range]] = {name: range(n, n + 1) for n, name in enumerate(CATEGORIES, 1)}
    weights: ClassVar[Mapping[str, float]] = dict.fromkeys(CATEGORIES, 1 / 6)
    project_rubric = OwnRubric("Look.", "{prompt} {explanation}")
    read = staticmethod(read_bit)

    class Settings(Wise.Settings):
        judge: JudgeRef = Field(default_factory=lambda: JudgeRef.model_validate("named"))

    def files(self) -> list[File]:
        return [("riddles.json", json.dumps([prompt_entry(n, name) for n, name in enumerate(CATEGORIES, 1)]).encode())]


def test_a_third_benchmark_is_a_small_class() -> None:
    riddles = Riddles(Riddles.Settings())
    assert [(item.id, item.category) for item in riddles.items()] == [(str(n), c) for n, c in enumerate(CATEGORIES, 1)]
    assert riddles.prompt_set().name == "original"
    assert (riddles.title(), riddles.notes()) == ("riddles", [])
    assert riddles.scorer().identity()["protocol"] == "riddles 1"
    assert riddles.scorer().parser.score(Reply("Score: 1"), "fail") == Score(1.0)
