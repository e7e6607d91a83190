"""What only draws, or forecasts, does without the weights of judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import IN_PROCESS
from plugin_packages import InstallPlugins

from evalharness.api.plugin import NoSettings
from evalharness.cli import main
from evalharness.errors import WeightsError
from evalharness.testing import MockJudge

SWEEP = """\
name: mine
model: mock
benchmarks: [{{name: wise-mini, limit: 2, samples: 1, {judges}}}]
arms: [{{name: arm, variant: single_pass}}]
"""


class Elsewhere(MockJudge):
    """A judge whose weights are on another machine."""

    name = "elsewhere"
    Settings = NoSettings

    def identity(self) -> Mapping[str, Any]:
        raise WeightsError("no weights folder elsewhere")


@pytest.mark.parametrize("judges", ["judge: elsewhere", "judge: mock, second_judge: elsewhere"])
def test_drawing_and_forecasts_need_no_judge(
    judges: str,
    sweep_file: Callable[[str], Path],
    install_plugins: InstallPlugins,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install_plugins(judges=[Elsewhere, MockJudge])
    file = sweep_file(SWEEP.format(judges=judges) + IN_PROCESS)
    command = ["sweep", str(file), "--out", str(tmp_path / "r" / "mine")]
    assert main.main([*command, "--dry-run"]) == 0
    assert "of wise-mini: no weights folder elsewhere" in capsys.readouterr().out
    assert main.main([*command, "--draw-only", "--quiet"]) == 0
    assert "2 of 2 images drawn" in capsys.readouterr().out
    assert main.main([*command, "--quiet"]) == 2
    assert "no weights folder elsewhere" in capsys.readouterr().err
