"""What decides a trajectory is in its key: the words and versions of formats, variants, models and loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mock_sweeps import draw_and_score, states
from plugin_packages import InstallPlugins

from evalharness._util.hashing import digest
from evalharness.api import registry
from evalharness.api.format import Stage
from evalharness.config import sweep_files
from evalharness.errors import ConfigError
from evalharness.generation import variants
from evalharness.generation.best_of_n import BestOfN
from evalharness.generation.format_words import format_identity, keyless
from evalharness.generation.formats.prompted import Prompted
from evalharness.generation.formats.strokes import Strokes
from evalharness.planning.planner import make_plan
from evalharness.testing import MockModel, MockScorer

Write = Callable[[str], Path]
SWEEP = """\
name: keys
seed: 3
model: {model}
benchmarks: [{{name: mock, limit: 2, samples: 1}}]
arms: [{{name: arm, variant: {variant}}}]
"""
SPEAKING = ("text_cot", "best_of_n", "process")
WORDS = {
    "strokes": (),
    "prompted": ("plan", "inspect", "refine"),
    "bagel": ("system",),
    "zebra": ("system",),
}


class Dialect(Strokes):
    """The format ``strokes`` under another name."""

    name = "dialect"


class Bilingual(MockModel):
    """Speaks two formats of the same words, and has words of its own, which its identity does not mention."""

    name = "bilingual"
    formats = ("strokes", "dialect", "prompted", "nameless")
    words: ClassVar[Mapping[str, str]] = {}


class Nameless(Strokes):
    """A format whose class has the name of another."""


@pytest.fixture
def bilingual(install_plugins: InstallPlugins) -> None:
    install_plugins(models=[Bilingual], formats={"dialect": Dialect, "nameless": Nameless})


def keys(write: Write, variant: str = "process", model: str = "mock") -> set[str]:
    return set(make_plan(sweep_files.load(write(SWEEP.format(model=model, variant=variant)))).jobs)


# --- words ---


def test_an_edited_request_is_drawn_again(
    sweep_file: Write, tmp_path: Path, bilingual: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sweep_file(SWEEP.format(model="bilingual", variant="process, format: prompted, max_iterations: 1"))
    draw_and_score(file, tmp_path / "r" / "x")
    drawn = len(MockModel.drawn)
    draw_and_score(file, tmp_path / "r" / "x")
    assert len(MockModel.drawn) == drawn
    monkeypatch.setattr("evalharness.generation.formats.prompted.PLAN", "What next?")
    draw_and_score(file, tmp_path / "r" / "x")
    assert len(MockModel.drawn) == 2 * drawn


@pytest.mark.parametrize(
    "change",
    [
        {"system": "You draw."},
        {"plan": Stage("<plan>", ("</des>", "<end>"), 96)},
        {"plan": Stage("<ins>", ("</des>",), 96)},
        {"plan": Stage("<ins>", ("</des>", "<end>"), 95)},
        {"plan": Stage("<ins>", ("</des>", "<end>"), 96, "Plan!")},
        {"think": Stage("<think>", ("</thought>",), 64)},
        {"inspect": Stage("<look>", ("</inspect>",), 48)},
        {"refine": Stage("<refine>", ("</refine>",), 33)},
        {"again": Stage("", ("<end>",), 8)},
        {"prompt": lambda self, text: f"Draw {text}"},
        {"behaviour_version": 2},
    ],
    ids=lambda change: "-".join(change),
)
def test_all_words_of_a_format_are_in_the_key(
    sweep_file: Write, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    before = [keys(sweep_file, variant) for variant in SPEAKING]
    painted = keys(sweep_file, "single_pass")
    for name, value in change.items():
        monkeypatch.setattr(Strokes, name, value, raising=False)
    for variant, old in zip(SPEAKING, before, strict=True):
        assert keys(sweep_file, variant).isdisjoint(old)
    assert keys(sweep_file, "single_pass") == painted


def test_words_of_a_model_are_in_the_key_though_its_identity_is_silent_about_them(
    sweep_file: Write, bilingual: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = "process, format: prompted"
    before = keys(sweep_file, variant, "bilingual")
    monkeypatch.setattr(Bilingual, "words", {"plan": "What next?"})
    after = keys(sweep_file, variant, "bilingual")
    monkeypatch.setattr(Bilingual, "words", {"plan": "And now?"})
    assert before.isdisjoint(after)
    assert keys(sweep_file, variant, "bilingual").isdisjoint(after)


# --- names ---


@pytest.mark.parametrize("variant", SPEAKING)
def test_the_default_format_and_the_same_by_name_share_their_keys(sweep_file: Write, variant: str) -> None:
    assert keys(sweep_file, f"{variant}, format: strokes") == keys(sweep_file, f"{variant}, format: null")


def test_arms_of_the_default_format_and_the_same_by_name_draw_once(sweep_file: Write, tmp_path: Path) -> None:
    arms = "process}, {name: named, variant: process, format: strokes, max_iterations: 3"
    samples = draw_and_score(sweep_file(SWEEP.format(model="mock", variant=arms)), tmp_path / "r" / "x")
    assert (len(samples), states(samples)) == (4, {"scored"})
    assert len(MockModel.drawn) == len(set(MockModel.drawn))


def test_formats_of_the_same_words_do_not_share(sweep_file: Write, bilingual: None) -> None:
    spoken = [keys(sweep_file, f"process, format: {name}", "bilingual") for name in ("strokes", "dialect")]
    assert spoken[0].isdisjoint(spoken[1])


def test_a_model_may_change_its_default_format(
    sweep_file: Write, bilingual: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(sweep_file, "process", "bilingual")
    for formats in (("dialect", "strokes"), ("prompted", "strokes")):
        monkeypatch.setattr(Bilingual, "formats", formats)
        assert keys(sweep_file, "process", "bilingual").isdisjoint(before)


def test_a_format_has_the_name_of_its_entry_point(sweep_file: Write, bilingual: None) -> None:
    with pytest.raises(ConfigError, match="format 'nameless': the `name` of its class is 'strokes'"):
        keys(sweep_file, "process, format: nameless", "bilingual")


# --- versions ---


def test_versions_of_behaviour_are_in_the_keys(sweep_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keys(sweep_file, "best_of_n")
    monkeypatch.setattr(MockModel, "behaviour_version", 2)
    second = keys(sweep_file, "best_of_n")
    monkeypatch.setattr(BestOfN, "behaviour_version", 2)
    third = keys(sweep_file, "best_of_n")
    monkeypatch.setattr(variants, "LOOP_VERSION", 2)
    fourth = keys(sweep_file, "best_of_n")
    assert len(first | second | third | fourth) == 4 * len(first)


def test_a_benchmark_of_another_behaviour_scores_again_and_draws_nothing(
    sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sweep_file(SWEEP.format(model="mock", variant="single_pass"))
    draw_and_score(file, tmp_path / "r" / "x")
    monkeypatch.setattr("evalharness.testing.MockBenchmark.behaviour_version", 2)
    draw_and_score(file, tmp_path / "r" / "x")
    assert (len(MockModel.drawn), len(MockScorer.scored)) == (2, 4)


# --- old keys ---


@pytest.mark.parametrize("name", WORDS)
def test_the_words_of_the_formats_are_those_of_old_keys(name: str) -> None:
    """A format that is meant to speak otherwise than before leaves this list; its trajectories are drawn again."""
    optional = name == "prompted"
    for size in range(0 if optional else len(WORDS[name]), len(WORDS[name]) + 1):
        for names in combinations(WORDS[name], size):
            words = {word: f"the text of {word}" for word in names}
            assert keyless(format_identity(registry.load("formats", name)(words), words)), names


def test_a_format_of_another_package_is_in_the_key() -> None:
    assert not keyless(format_identity(Dialect({}), {}))
    assert not keyless(format_identity(Prompted({"plan": "What next?"}), {}))


@pytest.mark.parametrize("variant", ["single_pass", *SPEAKING])
def test_keys_of_default_formats_are_those_of_old_stores(sweep_file: Write, variant: str) -> None:
    plan = make_plan(sweep_files.load(sweep_file(SWEEP.format(model="mock", variant=variant))))
    identity = digest(dict(plan.models["mock"]))
    for job in plan.jobs.values():
        assert job.key == digest(["trajectory", identity, job.variant.key(), job.prompt, job.seed])
