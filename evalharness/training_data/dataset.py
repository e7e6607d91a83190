"""A data set: a folder of shards with a card that describes how they were made.

A shard appears complete or not at all, so making a data set can be interrupted and resumed. ``card.json`` comes last.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.file_digests import file_digest
from evalharness._util.files import write_text_atomically
from evalharness.api.model import Interleaver
from evalharness.api.plugin_ref import PluginRef
from evalharness.errors import ConfigError
from evalharness.training_data.builder import ARMS, Arm, DatasetBuilder
from evalharness.training_data.drafts import Components
from evalharness.training_data.preview import write_preview
from evalharness.training_data.records import FORMAT, write_shard

log = logging.getLogger("evalharness.training_data")
SHARD = 1024
"""Prompts per file."""


class TeacherRef(PluginRef):
    """A teacher and its settings."""

    kind: ClassVar[str] = "teachers"


class FilterRef(PluginRef):
    """A filter and its settings."""

    kind: ClassVar[str] = "filters"


class ModelRef(PluginRef):
    """A model and its settings."""

    kind: ClassVar[str] = "models"


class DatasetRequest(BaseModel):
    """A data set to make. Every field but ``out`` decides the records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: Path
    n: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)
    arm: str = "full"
    teacher: TeacherRef
    filter: FilterRef
    model: ModelRef | None = None
    world: Any


def make_dataset(request: DatasetRequest) -> dict[str, Any]:
    """Write the missing shards, then the preview and the card.

    Returns:
        The card.

    Raises:
        ConfigError: the folder holds other data, or a plugin does not fit.
    """
    arm = ARMS[request.arm]
    components = _components(request, arm)
    origin = _origin(request, arm, components)
    _claim(request.out, origin)
    counts: dict[str, int] = {}
    files = {}
    for number, start in enumerate(range(0, request.n, SHARD)):
        path = request.out / f"shard-{number:05d}.parquet"
        counts_path = path.with_suffix(".json")
        end = min(start + SHARD, request.n)
        if not (path.is_file() and counts_path.is_file()):
            builder = DatasetBuilder(components, arm, request.seed)
            write_shard(path, builder.batches(range(start, end)))
            _write_json(counts_path, dict(sorted(builder.counts.items())))
            log.info("%s: %d of %d prompts", request.arm, end, request.n)
        for name, count in json.loads(counts_path.read_text()).items():
            counts[name] = counts.get(name, 0) + count
        files[path.name] = file_digest(path)
    write_preview(request.out)
    card = {**origin, "counts": counts, "files": files}
    _write_json(request.out / "card.json", card)
    return card


def _origin(request: DatasetRequest, arm: Arm, components: Components) -> dict[str, Any]:
    """What decides the records; equal for two folders with the same data."""
    filtered = arm.self_sampling or not components.trusted
    return {
        "arm": request.arm,
        "n": request.n,
        "seed": request.seed,
        "shard": SHARD,
        "format": FORMAT,
        "world": dict(components.world.identity()),
        "teacher": dict(components.teacher.identity()),
        "filter": dict(components.filter.identity()) if filtered else None,
        "model": dict(components.model.identity()) if arm.self_sampling else None,
    }


def _claim(folder: Path, origin: dict[str, Any]) -> None:
    """Record in the folder what decides its records; a later run must agree with it."""
    path = folder / "request.json"
    if path.is_file():
        earlier = json.loads(path.read_text())
        differing = sorted(key for key in {*earlier, *origin} if earlier.get(key) != origin.get(key))
        if differing:
            raise ConfigError(
                f"{folder} was begun with another {' and another '.join(differing)}; choose another --out, or remove it"
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty and holds no data of this command; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(path, origin)


def _components(request: DatasetRequest, arm: Arm) -> Components:
    teacher = request.teacher.build()
    model = _model(request) if arm.self_sampling else None
    return Components(request.world, teacher, request.filter.build(), model, trusted=teacher.exact)


def _model(request: DatasetRequest) -> Interleaver:
    if request.model is None:
        raise ConfigError(f"--model: the arm {request.arm} learns from a model's own drawings; name that model")
    model = request.model.build()
    if not isinstance(model, Interleaver) or FORMAT not in model.formats:
        raise ConfigError(
            f"--model: {request.model.name!r} does not speak the format {FORMAT}, and so cannot draw sketches to "
            "learn from; name another, or choose the arm no-self-sampling"
        )
    return model


def _write_json(path: Path, value: Any) -> None:
    write_text_atomically(path, json.dumps(value, indent=2) + "\n")
