"""Plugins that leave a mark when one is made or its settings are checked, for runs that must not do so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from evalharness.api.benchmark import Exported, Exporter
from evalharness.execution.executors.local import Local
from evalharness.generation.single_pass import SinglePass
from evalharness.testing import MockBenchmark, MockModel
from evalharness.types.item import Item

MARK = "EVALHARNESS_TEST_MARK"
"""The environment variable that names the file of the mark."""


def spring(*_: Any) -> None:
    Path(os.environ[MARK]).touch()


class Trap(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="after")
    def _spring(self) -> Trap:
        spring()
        return self


class TrapModel(MockModel):
    name = "trap"
    Settings = Trap  # type: ignore[assignment]
    __init__ = spring


class TrapBenchmark(MockBenchmark):
    name = "trap"
    Settings = Trap  # type: ignore[assignment]
    __init__ = spring


class Exporting(MockBenchmark, Exporter):
    """Has items whose names lead out of a folder, and an export that finds none of what it looks for."""

    class Settings(MockBenchmark.Settings):
        prefix: str = ""

    name = "exporting"
    settings: Settings

    def items(self) -> list[Item]:
        return [replace(item, id=self.settings.prefix + item.id) for item in super().items()]

    @staticmethod
    def export(samples: Iterable[Exported], folder: Path, scorer: Mapping[str, Any]) -> None:
        for sample in samples:
            (folder / sample.item.id).write_text(str(sample.item.metadata["tag"]))


class TrapExecutor(Local):
    name = "trap"
    Settings = Trap  # type: ignore[assignment]
    __init__ = spring


class TrapVariant(SinglePass):
    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="after")
    def _spring(self) -> TrapVariant:
        spring()
        return self
