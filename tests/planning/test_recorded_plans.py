"""Plans that are read from the files of their runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugin_packages import InstallPlugins

from evalharness.config import sweep_files
from evalharness.planning.plan import Plan
from evalharness.planning.plan_record import plan_text
from evalharness.planning.planner import make_plan
from evalharness.planning.recorded_plans import read_plan
from evalharness.testing import MockModel

SWEEP = """\
name: spoken
models: {other: prompting, usual: mock}
benchmarks: [{name: mock, limit: 2, samples: 1}]
arms:
  - {name: other, model: other, variant: process}
  - {name: named, model: other, variant: process, format: strokes}
  - {name: usual, model: usual, variant: text_cot}
  - {name: mute, model: usual, variant: single_pass}
"""
SPOKEN = {"other": "prompted", "named": "strokes", "usual": "strokes", "mute": None}


class Prompting(MockModel):
    """A model whose own format is not the one that keys do not name."""

    name = "prompting"
    formats = ("prompted", "strokes")


def formats(plan: Plan) -> dict[str, str | None]:
    return {arm.name: plan.families[arm.family].format for arm in plan.sweep.arms}


@pytest.mark.parametrize("earlier", [False, True])
def test_it_tells_what_is_spoken_where_arms_do_not(
    earlier: bool, sweep_file: Callable[[str], Path], install_plugins: InstallPlugins, tmp_path: Path
) -> None:
    install_plugins(models=[Prompting])
    plan = make_plan(sweep_files.load(sweep_file(SWEEP)))
    assert formats(plan) == SPOKEN
    recorded: dict[str, Any] = json.loads(plan_text(plan))
    if earlier:  # versions that did not record it
        for arm in recorded["arms"].values():
            del arm["format"]
    (tmp_path / "plan.json").write_text(json.dumps(recorded))
    assert formats(read_plan(tmp_path / "plan.json")) == SPOKEN
