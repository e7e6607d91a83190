import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.assets import fetch
from evalharness.benchmarks.geneval import prompt_file, prompts
from evalharness.benchmarks.geneval.benchmark import GenEval
from evalharness.benchmarks.geneval.classes import CLASSES, COLORS, TAGS
from evalharness.errors import ConfigError, WeightsError

SHARED = Path(os.environ.get("EVALHARNESS_SHARED", Path(__file__).resolve().parents[4] / "shared"))
OFFICIAL = SHARED / "data" / "geneval" / "evaluation_metadata.jsonl"
REWRITTEN = OFFICIAL.with_name("evaluation_metadata_long.jsonl")

needs_official = pytest.mark.skipif(
    not OFFICIAL.is_file(), reason=f"the official GenEval files are not in {OFFICIAL.parent}"
)


def test_digest_of_the_official_file() -> None:
    text = prompts.to_jsonl(prompts.generate())
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"
    )


@needs_official
def test_byte_for_byte() -> None:
    assert prompts.to_jsonl(prompts.generate()).encode() == OFFICIAL.read_bytes()


@needs_official
def test_class_names() -> None:
    assert "\n".join(CLASSES) + "\n" == OFFICIAL.with_name("object_names.txt").read_text()


@needs_official
def test_rewritten_prompts_are_read() -> None:
    lines = prompt_file.parse(prompt_file.read_text(REWRITTEN), "long")
    assert [line["include"] for line in lines] == [line["include"] for line in prompts.generate()]


def test_counts_by_tag() -> None:
    tags = [prompt["tag"] for prompt in prompts.generate()]
    assert {tag: tags.count(tag) for tag in TAGS} == dict(zip(TAGS, (80, 99, 80, 94, 100, 100), strict=True))


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(0, 2**63))
def test_any_seed_gives_a_suite_of_the_same_kind(n: int, seed: int) -> None:
    suite = prompts.generate(n, seed)
    assert suite == prompts.generate(n, seed)
    assert prompt_file.parse(prompts.to_jsonl(suite), "suite") == suite
    assert len({json.dumps(prompt) for prompt in suite}) == len(suite) <= 80 + 5 * n
    assert {clause["class"] for prompt in suite[:80] for clause in prompt["include"]} == set(CLASSES)
    for prompt in suite:
        assert not any(clause["class"] == "person" and "color" in clause for clause in prompt["include"])
        if prompt["tag"] == "counting":
            assert prompt["exclude"][0]["count"] == prompt["include"][0]["count"] + 1 in (3, 4, 5)
        if prompt["tag"] == "color_attr":
            assert len({clause["color"] for clause in prompt["include"]} & set(COLORS)) == 2


def test_words() -> None:
    assert prompts.with_article("orange") == "an orange"
    assert prompts.with_article("umbrella") == "an umbrella"
    assert prompts.with_article("hot dog") == "a hot dog"
    assert [prompts.plural(name) for name in ("bus", "skis", "knife")] == ["buses", "skises", "knifes"]


@pytest.mark.parametrize(("n", "seed"), [(0, 43), (10, -1)])
def test_impossible_suites(n: int, seed: int) -> None:
    with pytest.raises(ConfigError, match="n >= 1 and seed >= 0"):
        prompts.generate(n, seed)


GOOD = {"tag": "two_object", "include": [{"class": "dog", "count": 1}, {"class": "cat", "count": 1}], "prompt": "x"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tag": "colours"}, "tag"),
        ({"prompt": ""}, "prompt"),
        ({"include": []}, "include"),
        ({"exlude": []}, "exlude"),
        ({"include": [{"class": "dgo", "count": 1}]}, "unknown class 'dgo'; did you mean 'dog'?"),
        ({"include": [{"class": "dog", "count": 0}]}, "include.0.count"),
        ({"include": [{"class": "dog", "count": True}]}, "include.0.count"),
        ({"include": [{"class": "dog", "count": 1, "color": "rde"}]}, "did you mean 'red'?"),
        (
            {"include": [{"class": "dog", "count": 1, "colour": "red"}]},
            "include.0: unknown key 'colour'; did you mean 'color'",
        ),
        ({"include": [{"class": "dog", "count": 1, "position": ["left of", 0]}]}, "an earlier clause"),
        ({"include": [*GOOD["include"], {"class": "cow", "count": 1, "position": ["under", 0]}]}, "left of, right of"),
        (
            {"exclude": [{"class": "dog", "count": 1, "color": "red"}]},
            "exclude.0: unknown key 'color'; known: class, count",
        ),
    ],
)
def test_bad_lines_are_named(change: dict[str, object], message: str) -> None:
    text = json.dumps(GOOD) + "\n\n" + json.dumps(GOOD | change) + "\n"
    with pytest.raises(ConfigError) as caught:
        prompt_file.parse(text, "p.jsonl")
    assert str(caught.value).startswith("p.jsonl line 3: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "null", '"x"', "[" * 100_000])
def test_other_things_than_objects(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^p.jsonl line 1 is not"):
        prompt_file.parse(text, "p.jsonl")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        prompt_file.read_text(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        prompt_file.read_text(tmp_path / "latin.jsonl")
    with pytest.raises(ConfigError, match="holds no prompts"):
        prompt_file.parse("\n", "p.jsonl")


@pytest.mark.skipif(not REWRITTEN.is_file(), reason=f"the rewritten prompts are not in {REWRITTEN.parent}")
def test_rewritten_prompts_are_fetched_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))
    benchmark = GenEval(GenEval.Settings(prompts="rewritten"))
    with pytest.raises(WeightsError, match=r"_long.jsonl has not been fetched; do so with: evalharness fetch geneval"):
        benchmark.items()
    fetch.fetch_asset(prompts.REWRITTEN, lambda _: None, mirror=str(SHARED / "data"))
    by_path = GenEval(GenEval.Settings(prompts=REWRITTEN))
    assert benchmark.items() == by_path.items()
    assert benchmark.prompt_set() == by_path.prompt_set()
    assert benchmark.prompt_set().name == "evaluation_metadata_long.jsonl"
    assert prompts.REWRITTEN.size == REWRITTEN.stat().st_size
