"""The command that makes data: a world, an arm, how much, and by whom."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util.file_digests import file_digest
from evalharness._util.files import write_text_atomically
from evalharness._util.guard import guarded
from evalharness._util.validation import first_mistake
from evalharness.api.model import Interleaver
from evalharness.config.plugin_ref import PluginRef
from evalharness.errors import ConfigError, did_you_mean
from evalharness.training_data.builder import ARMS, Arm, Components, DatasetBuilder
from evalharness.training_data.preview import write_preview
from evalharness.training_data.records import FORMAT, write_shard
from evalharness.training_data.world import World

log = logging.getLogger("evalharness.training_data")
SHARD = 1024
"""Prompts a file."""


class TeacherChoice(PluginRef):
    """A teacher."""

    kind: ClassVar[str] = "teachers"


class FilterChoice(PluginRef):
    """A filter."""

    kind: ClassVar[str] = "filters"


class ModelChoice(PluginRef):
    """A model."""

    kind: ClassVar[str] = "models"


class DatasetRequest(BaseModel):
    """What to make. Everything but ``out`` decides the records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: Path
    n: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)
    arm: str = "full"
    teacher: TeacherChoice
    filter: FilterChoice
    model: ModelChoice | None = None
    world: Any


def add_arguments(parser: argparse.ArgumentParser, *, teacher: str | None, model: str | None) -> None:
    """The options that do not depend on the world; ``teacher`` and ``model`` are the defaults."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the shards and their card")
    parser.add_argument("--n", type=int, required=True, metavar="N", help="number of prompts")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="decides everything (default: 0)")
    parser.add_argument("--arm", default="full", metavar="ARM", help=f"one of {', '.join(ARMS)} (default: full)")
    plugin = "a plugin, or {name: …, key: value …} in YAML"
    drawer = f"who draws the states: {plugin}"
    parser.add_argument("--teacher", default=teacher, required=teacher is None, metavar="PLUGIN", help=drawer)
    parser.add_argument("--filter", default="scorer", metavar="PLUGIN", help="who looks at them (default: scorer)")
    drawn = "the checkpoint whose own drawings are learned from; not needed by arms without self-sampling"
    parser.add_argument("--model", default=model, metavar="PLUGIN", help=drawn)


def request(options: argparse.Namespace, world: World) -> DatasetRequest:
    """The options, checked.

    Raises:
        ConfigError: one is wrong.
    """
    if options.arm not in ARMS:
        raise ConfigError(f"--arm: no arm {options.arm!r}{did_you_mean(options.arm, ARMS)}")
    chosen = {name: getattr(options, name) for name in ("teacher", "filter", "model")}
    given = {name: _parsed(name, text) for name, text in chosen.items() if text is not None}
    try:
        plain = {name: getattr(options, name) for name in ("out", "n", "seed", "arm")}
        return DatasetRequest.model_validate({**plain, **given, "world": world})
    except ValidationError as error:
        mistake = first_mistake(error, DatasetRequest)
        raise ConfigError(f"--{mistake.location[0]}: {mistake.message}") from None


def _parsed(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--{name}: {text!r} is neither a name nor YAML such as {{name: NAME, key: value}}") from None


def make(asked: DatasetRequest) -> dict[str, Any]:
    """All shards that are not there yet, then the card, which is returned.

    Raises:
        ConfigError: the folder holds other data.
    """
    arm, kit = ARMS[asked.arm], _kit(asked, ARMS[asked.arm])
    about = _about(asked, arm, kit)
    _claim(asked.out, about)
    counts: dict[str, int] = {}
    files = {}
    for number, start in enumerate(range(0, asked.n, SHARD)):
        path = asked.out / f"shard-{number:05d}.parquet"
        told = path.with_suffix(".json")
        if not (path.is_file() and told.is_file()):
            maker = DatasetBuilder(kit, arm, asked.seed)
            write_shard(path, maker.batches(range(start, min(start + SHARD, asked.n))))
            _write(told, dict(sorted(maker.counts.items())))
            log.info("%s: %d of %d prompts", asked.arm, min(start + SHARD, asked.n), asked.n)
        for name, count in json.loads(told.read_text()).items():
            counts[name] = counts.get(name, 0) + count
        files[path.name] = file_digest(path)
    write_preview(asked.out)
    card = {**about, "counts": counts, "files": files}
    _write(asked.out / "card.json", card)
    return card


def _about(asked: DatasetRequest, arm: Arm, kit: Components) -> dict[str, Any]:
    """What decides the records: the same for two folders with the same data."""
    return {
        "arm": asked.arm,
        "n": asked.n,
        "seed": asked.seed,
        "shard": SHARD,
        "format": FORMAT,
        "world": dict(kit.world.identity()),
        "teacher": dict(kit.teacher.identity()),
        "filter": None if kit.trusted and not arm.self_sampling else dict(kit.filter.identity()),
        "model": dict(kit.model.identity()) if arm.self_sampling else None,
    }


def _claim(out: Path, about: dict[str, Any]) -> None:
    """Say what the folder is for; what it was begun for cannot change."""
    claim = out / "request.json"
    if claim.is_file():
        before = json.loads(claim.read_text())
        differing = sorted(key for key in {*before, *about} if before.get(key) != about.get(key))
        if differing:
            raise ConfigError(
                f"{out} was begun with another {' and another '.join(differing)}; choose another --out, or remove it"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty and holds no data of this command; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    _write(claim, about)


def _kit(asked: DatasetRequest, arm: Arm) -> Components:
    teacher, model = asked.teacher.build(), None
    if arm.self_sampling:
        if asked.model is None:
            raise ConfigError(f"--model: the arm {asked.arm} learns from a model's own drawings; name that model")
        model = asked.model.build()
        if not isinstance(model, Interleaver) or FORMAT not in model.formats:
            raise ConfigError(
                f"--model: {asked.model.name!r} does not speak the format {FORMAT}, and so cannot draw sketches to "
                "learn from; name another, or choose the arm no-self-sampling"
            )
    return Components(asked.world, teacher, asked.filter.build(), model, trusted=bool(getattr(teacher, "exact", False)))


def _write(path: Path, value: Any) -> None:
    write_text_atomically(path, json.dumps(value, indent=2) + "\n")


def run(options: argparse.Namespace, world: World) -> int:
    """The whole job; returns the exit code."""
    # Its own lines only: the libraries that the scorers come from have much to say.
    log.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    card = make(request(options, world))
    sys.stdout.write(f"{options.out}: {json.dumps(card['counts'])}\n")
    return 0


def main(
    prog: str,
    describe: str,
    add: Callable[[argparse.ArgumentParser], None],
    world: Callable[[argparse.Namespace], World],
    arguments: Sequence[str] | None = None,
    *,
    teacher: str | None = None,
    model: str | None = None,
) -> int:
    """A command for one kind of world."""
    parser = argparse.ArgumentParser(prog=f"python -m {prog}", description=describe)
    add(parser)
    add_arguments(parser, teacher=teacher, model=model)
    return guarded(lambda options: run(options, world(options)), parser.parse_args(arguments))
