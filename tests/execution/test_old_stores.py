"""What earlier versions stored is used where it can be told that it is the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mock_sweeps import IN_PROCESS, draw_and_score, states
from old_store import SWEEP, write_old_store
from plugin_packages import InstallPlugins

from evalharness._util.hashing import canonical, digest
from evalharness.api.judge import JudgePrompt, reply_key
from evalharness.store.store import Store
from evalharness.testing import MockModel, MockScorer
from evalharness.types.reply import Reply

Write = Callable[[str], Path]


def test_an_old_store_draws_nothing_again(sweep_file: Write, tmp_path: Path) -> None:
    write_old_store(tmp_path / "r" / "store")
    samples = draw_and_score(sweep_file(SWEEP + IN_PROCESS), tmp_path / "r" / "x")
    assert MockModel.drawn == []
    assert len(MockScorer.scored) == len({sample["image"] for sample in samples}), "its keys lacked the prompt"
    assert (len(samples), states(samples)) == (8, {"scored"})


def test_an_old_store_has_the_same_for_a_format_by_name(sweep_file: Write, tmp_path: Path) -> None:
    write_old_store(tmp_path / "r" / "store")
    named = SWEEP.replace("variant: process", "variant: process, format: strokes")
    samples = draw_and_score(sweep_file(named + IN_PROCESS), tmp_path / "r" / "x")
    assert MockModel.drawn == []
    assert states(samples) == {"scored"}


def test_an_old_store_that_names_the_default_format_draws_nothing_again(sweep_file: Write, tmp_path: Path) -> None:
    store_path = tmp_path / "r" / "store"
    write_old_store(store_path)
    with Store(store_path) as store, store.batch():
        connection = store.database.connection
        rows = connection.execute("SELECT * FROM trajectories WHERE variant LIKE '%\"format\":null%'").fetchall()
        assert len(rows) == 6
        for row in rows:
            named = json.loads(row["variant"]) | {"format": "strokes"}
            key = digest(["trajectory", row["model"], named, row["prompt"], row["seed"]])
            connection.execute(
                "UPDATE trajectories SET key = ?, variant = ? WHERE key = ?", (key, canonical(named), row["key"])
            )
    for text in (SWEEP, SWEEP.replace("max_iterations: 2", "format: strokes, max_iterations: 2")):
        draw_and_score(sweep_file(text + IN_PROCESS), tmp_path / "r" / "x")
    assert MockModel.drawn == []


class Renamed(MockModel):
    """Had another identity in an earlier version."""

    name = "renamed"
    version: ClassVar[str] = "new"

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, "version": self.version}

    def former_identities(self) -> Sequence[Mapping[str, Any]]:
        return [{"name": self.name, "version": "old"}]


@pytest.mark.parametrize("variant", ["single_pass", "process", "process, format: strokes", "best_of_n, n: 2"])
def test_trajectories_of_a_former_identity_get_the_present_keys(
    sweep_file: Write, tmp_path: Path, install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    install_plugins(models=[Renamed])
    text = SWEEP.partition("arms:")[0].replace("model: mock", "model: renamed")
    file = sweep_file(text + f"arms: [{{name: a, variant: {variant}}}]\n" + IN_PROCESS)
    monkeypatch.setattr(Renamed, "version", "old")
    before = draw_and_score(file, tmp_path / "r" / "x")
    drawn = len(MockModel.drawn)
    monkeypatch.setattr(Renamed, "version", "new")
    assert draw_and_score(file, tmp_path / "r" / "x") == before
    assert len(MockModel.drawn) == drawn > 0
    with Store(tmp_path / "r" / "store", write=False) as store:
        assert {row["model"] for _, row in store.trajectories.all()} == {digest({"name": "renamed", "version": "new"})}


def test_replies_of_a_former_identity_get_the_present_keys(tmp_path: Path) -> None:
    prompts = [JudgePrompt([{"role": "user", "content": text}], "ab" * 32, "rubric", 10) for text in ("a", "b")]
    with Store(tmp_path) as store:
        for judge, prompt, text in (("old", 0, "first"), ("old", 0, "second"), ("old", 1, "old"), ("new", 1, "new")):
            store.replies.add(reply_key(judge, prompts[prompt]), prompts[prompt], judge, Reply(text))
        assert store.replies.rename_judge("old", "new") == 2
        assert store.replies.rename_judge("old", "new") == 0
        answers = [[reply.text for reply in store.replies.get(reply_key("new", prompt))] for prompt in prompts]
        assert answers == [["first", "second"], ["new"]]
