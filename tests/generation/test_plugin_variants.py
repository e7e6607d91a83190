"""A variant, a model and a format of another package, found by their entry points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from plugin_packages import InstallPlugins
from pydantic import Field

from evalharness.api import registry
from evalharness.api.format import OwnLoop, Stage
from evalharness.api.variant import AddedLater, Variant
from evalharness.config import schema, sweep_files
from evalharness.errors import ConfigError, PluginError
from evalharness.generation import variants
from evalharness.generation.steps import samples_of, timed
from evalharness.planning.planner import make_plan
from evalharness.testing import MockModel
from evalharness.types.trajectory import Trajectory


class Twice(Variant):
    """Draw the prompt several times; the last drawing counts."""

    variant: Literal["twice"] = "twice"
    times: int = Field(default=2, ge=1)

    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[Any] = ()
    ) -> list[Trajectory]:
        samples = samples_of(prompts, seeds)
        for number in range(self.times):
            drawn, seconds = timed(len(samples), partial(model.paint, prompts, [seed + number for seed in seeds]))
            for sample, image in zip(samples, drawn, strict=True):
                sample.add_image("again", number, image, seconds)
                sample.finished = True
        return [sample.trajectory() for sample in samples]


class TwiceInRounds(Twice):
    """A later version of it, whose default is not what it did before."""

    rounds: Annotated[int, AddedLater(1)] = Field(default=2, ge=1)


class Derived(TwiceInRounds):
    """A variant of a third package, which inherits the marks with the settings."""


class Looping(OwnLoop):
    name = "looping"
    plan = inspect = refine = Stage("", (), 8)

    def process(self, model: Any, steps: Any, samples: Any, *, iterations: int, inspect: bool, refine: bool) -> None:
        model.fork([])


class Speaker(MockModel):
    """It speaks a format with a loop of its own, but its contexts cannot be forked."""

    name = "speaker"
    formats = ("looping",)


class Stranger:
    """No plugin: it inherits from nothing."""


SWEEP = """\
name: others
model: {model}
benchmarks: [{{name: mock, limit: 2, samples: 1}}]
arms: [{arm}]
"""


@pytest.fixture
def plugged(tmp_path: Path, install_plugins: InstallPlugins) -> Path:
    install_plugins(variants={"twice": Twice, "stranger": Stranger}, formats=[Looping], models=[Speaker])
    return tmp_path


def load(folder: Path, arm: str, model: str = "mock") -> schema.Sweep:
    file = folder / "sweep.yaml"
    file.write_text(SWEEP.format(arm=arm, model=model))
    return sweep_files.load(file)


def test_a_variant_of_another_package_is_planned_and_run(plugged: Path) -> None:
    plan = make_plan(load(plugged, "{name: a, variant: twice, times: 3}"))
    job = next(iter(plan.jobs.values()))
    assert job.variant.key() == {"variant": "twice", "times": 3}
    assert variants.from_json(job.variant.model_dump(mode="json")) == job.variant
    (trajectory,) = variants.run(job.variant, MockModel(), [job.prompt], [job.seed])
    assert [step.kind for step in trajectory.steps] == ["again"] * 3
    assert trajectory.finished and trajectory.image is not None


def test_a_setting_of_a_later_version_leaves_the_keys_of_before_as_they_are() -> None:
    for variant in (TwiceInRounds, Derived):
        assert variant(times=3, rounds=1).key() == Twice(times=3).key()
        assert variant(times=3).key() == Twice(times=3).key() | {"rounds": 2}


def test_its_settings_are_checked_like_any(plugged: Path) -> None:
    with pytest.raises(ConfigError, match=r"sweep.yaml:4:\d+: unknown key 'tims'; did you mean 'times'\?"):
        load(plugged, "{name: a, variant: twice, tims: 3}")
    with pytest.raises(ConfigError, match=r"sweep.yaml:4:\d+: times: input should be greater than or equal to 1"):
        load(plugged, "{name: a, variant: twice, times: 0}")
    with pytest.raises(ConfigError, match=r"unknown variant 'twise'; did you mean 'twice'\?"):
        load(plugged, "{name: a, variant: twise}")


def test_a_loop_that_forks_contexts_is_refused_while_planning_if_the_model_cannot(plugged: Path) -> None:
    with pytest.raises(ConfigError, match=r"arm 'a': format 'looping' .* contexts can be forked .* 'speaker' cannot"):
        make_plan(load(plugged, "{name: a, variant: process}", model="speaker"))


def test_a_class_that_does_not_inherit_is_no_plugin(plugged: Path) -> None:
    with pytest.raises(PluginError, match=r"variant 'stranger' is not a class that inherits from .*Variant"):
        registry.load("variants", "stranger")
