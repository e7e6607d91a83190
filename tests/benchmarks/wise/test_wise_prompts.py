from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wise_prompt_files import OFFICIAL, needs_official_files, prompt_entries, prompt_entry, write_prompt_files

from evalharness.assets.asset import Asset
from evalharness.benchmarks.wise import prompt_files
from evalharness.benchmarks.wise.base import Wise
from evalharness.benchmarks.wise.legacy import WiseLegacy
from evalharness.benchmarks.wise.verified import WiseVerified
from evalharness.errors import ConfigError, WeightsError

BOTH: list[type[Wise]] = [WiseVerified, WiseLegacy]
PROTOCOL = {
    "wise-verified": {
        "culture": (1, 400, 0.40),
        "time": (401, 520, 0.12),
        "space": (521, 640, 0.12),
        "biology": (641, 760, 0.12),
        "physics": (761, 880, 0.12),
        "chemistry": (881, 1000, 0.12),
    },
    "wise-legacy": {
        "culture": (1, 400, 0.4),
        "time": (401, 567, 0.167),
        "space": (568, 700, 0.133),
        "biology": (701, 800, 0.1),
        "physics": (801, 900, 0.1),
        "chemistry": (901, 1000, 0.1),
    },
}
"""First id, last id, weight, as the protocol's description has them."""


def built(benchmark: type[Wise], **settings: Any) -> Wise:
    """A benchmark whose judge is not looked at."""
    return benchmark(benchmark.Settings.model_construct(**({"prompts": "original", "rubric": "own"} | settings)))


def official(asset: Asset) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((OFFICIAL.parent / asset.folder / asset.name).read_bytes())
    return entries


@pytest.mark.parametrize("benchmark", BOTH)
def test_ids_and_weights_are_those_of_the_protocol(benchmark: type[Wise]) -> None:
    ranges = {name: (ids[0], ids[-1], benchmark.weights[name]) for name, ids in benchmark.ids.items()}
    assert ranges == PROTOCOL[benchmark.name]
    assert list(benchmark.ids) == list(benchmark.weights) == list(prompt_files.CATEGORIES)
    assert sum(benchmark.weights.values()) == pytest.approx(1)


@needs_official_files
@pytest.mark.parametrize(
    ("benchmark", "chosen"), [(WiseVerified, "original"), (WiseLegacy, "original"), (WiseLegacy, "rewritten")]
)
class TestOfficialFiles:
    def test_are_the_assets(self, benchmark: type[Wise], chosen: str) -> None:
        for asset in benchmark.sets[chosen]:
            data = (OFFICIAL.parent / asset.folder / asset.name).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (asset.sha256, asset.size)
            assert asset.url.endswith(f"/{asset.name}")

    def test_give_a_thousand_items_of_six_categories(
        self, benchmark: type[Wise], chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EVALHARNESS_CACHE", str(OFFICIAL.parent))
        tested = built(benchmark, prompts=chosen)
        items = tested.items()
        assert [item.id for item in items] == [str(number) for number in range(1, 1001)]
        assert Counter(item.category for item in items) == {name: len(ids) for name, ids in benchmark.ids.items()}
        raw: dict[int, Any] = {}
        for asset in benchmark.sets[chosen]:
            raw |= {entry["prompt_id"]: entry for entry in official(asset)}
        assert [dict(item.metadata) for item in items] == [raw[number] for number in range(1, 1001)]
        assert all(item.prompt == item.metadata["Prompt"] for item in items)
        assert tested.prompt_set().name == chosen

    def test_are_known_by_what_they_say(self, benchmark: type[Wise], chosen: str, tmp_path: Path) -> None:
        everything: list[Any] = []
        for asset in benchmark.sets[chosen]:
            everything += official(asset)
        (tmp_path / "all.json").write_text(json.dumps(everything[::-1]))
        assert built(benchmark, prompts=tmp_path / "all.json").prompt_set().name == chosen
        everything[0]["Prompt"] += "!"
        (tmp_path / "all.json").write_text(json.dumps(everything))
        assert built(benchmark, prompts=tmp_path / "all.json").prompt_set().name == "all.json"


def test_the_rewritten_prompts_are_of_another_set(tmp_path: Path) -> None:
    write_prompt_files(tmp_path / "a", WiseLegacy)
    changed = [entry | {"Prompt": f"Thing {entry['prompt_id']}"} for entry in prompt_entries(WiseLegacy)]
    write_prompt_files(tmp_path / "b", WiseLegacy, changed, "rewritten")
    first, second = (built(WiseLegacy, prompts=tmp_path / name) for name in "ab")
    assert [item.id for item in first.items()] == [item.id for item in second.items()]
    assert first.prompt_set() != second.prompt_set()
    assert (first.items()[6].prompt, second.items()[6].prompt) == ("A riddle, number 7", "Thing 7")


@pytest.mark.parametrize("benchmark", BOTH)
def test_prompts_that_are_not_there(benchmark: type[Wise], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=f"get them by `evalharness fetch {benchmark.name}`, or name a folder"):
        built(benchmark).items()
    place = benchmark.sets["original"][0].path
    place.parent.mkdir(parents=True)
    place.write_text("[]")
    with pytest.raises(WeightsError, match="is not the published file"):
        built(benchmark).items()
    with pytest.raises(ConfigError, match=r"lacks cultural_common_sense.*natural_science"):
        built(benchmark, prompts=tmp_path).items()
    with pytest.raises(ConfigError, match=r"cannot read the WISE prompts .*nowhere: No such file"):
        built(benchmark, prompts=tmp_path / "nowhere").items()


def test_a_set_that_a_benchmark_does_not_have() -> None:
    with pytest.raises(ConfigError, match="wise-verified has no prompt set 'rewritten'"):
        built(WiseVerified, prompts="rewritten").items()


def spoil(entries: list[dict[str, Any]], number: int, **change: Any) -> None:
    entries[number - 1] = {key: value for key, value in (entries[number - 1] | change).items() if value is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Prompt": None}, r"all.json item 7: key 'Prompt' is missing"),
        ({"Prompt": ""}, r"item 7: Prompt: string should have at least 1 character"),
        ({"Explanation": 3}, r"item 7: Explanation: input should be a valid string"),
        ({"prompt_id": "7"}, r"item 7: prompt_id: input should be a valid integer"),
        ({"prompt_id": True}, r"item 7: prompt_id: input should be a valid integer"),
        ({"prompt_id": 8}, r"item 8: prompt_id 8 stands already in .*all.json item 7"),
        ({"prompt_id": 1001}, r"item 7: prompt_id 1001 is none of 1 to 1000"),
        ({"Explaination": "x"}, r"item 7: unknown key 'Explaination'; did you mean 'Explanation'"),
        ({"Category": "time"}, r"item 7: Category is 'time', but prompt_id 7 is of culture; are these the prompts of"),
    ],
)
def test_a_malformed_item_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    entries = prompt_entries(WiseVerified)
    spoil(entries, 7, **change)
    (tmp_path / "all.json").write_text(json.dumps(entries))
    with pytest.raises(ConfigError, match=message):
        built(WiseVerified, prompts=tmp_path / "all.json").items()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not JSON"),
        (b"{}", "is not a JSON list of items"),
        (b"[]", "is not a JSON list of items"),
        (b"[1]", "item 1: input should be a valid dictionary"),
        (b"\xff[]", "is not UTF-8 text at byte 0"),
        (b"[" * 100_000, "is not JSON"),
        (json.dumps([prompt_entry(1, "culture", Prompt="\ud800")]).encode(), "item 1: Prompt: "),
        (json.dumps([prompt_entry(1, "culture")]).encode(), "999 prompt_ids are missing: 2, 3, 4, 5, 6, …"),
        (b" " * (17 << 20), "is larger than 16 MiB"),
    ],
)
def test_a_file_that_is_no_prompt_file(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "all.json").write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        built(WiseVerified, prompts=tmp_path / "all.json").items()


def test_the_other_version_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text(json.dumps(prompt_entries(WiseLegacy)))
    with pytest.raises(ConfigError, match="prompt_id 521 is of space; are these the prompts of another version"):
        built(WiseVerified, prompts=tmp_path / "all.json").items()


def test_a_folder_may_have_more_in_it(tmp_path: Path) -> None:
    write_prompt_files(tmp_path, WiseLegacy)
    shutil.copy(tmp_path / "natural_science.json", tmp_path / "natural_science_rewrite.json")
    assert len(built(WiseLegacy, prompts=tmp_path).items()) == 1000


@given(st.permutations(prompt_entries(WiseLegacy)[:40]), st.integers(1, 39))
def test_neither_order_nor_files_matter(entries: list[dict[str, Any]], cut: int) -> None:
    ids = {"culture": range(1, 41)}
    files = [("a", json.dumps(entries[:cut]).encode()), ("b", json.dumps(entries[cut:], indent=1).encode())]
    together = prompt_files.items([("c", json.dumps(prompt_entries(WiseLegacy)[:40]).encode())], ids)
    assert prompt_files.items(files, ids) == together
    assert prompt_files.content_digest(prompt_files.items(files, ids)) == prompt_files.content_digest(together)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_file_is_more_than_a_clear_error(data: bytes) -> None:
    with pytest.raises(ConfigError):
        prompt_files.items([("x.json", data)], {"culture": range(1, 3)})
