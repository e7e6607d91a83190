"""What the command line says in place of a sweep file: model, weights, detector, judge."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import Any

from evalharness.api import registry
from evalharness.config import schema
from evalharness.errors import ConfigError, did_you_mean

JUDGE_OPTIONS = {"base_url": "--base-url", "model": "--judge-model"}
"""Setting of a judge → the option that gives it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    own = parser.add_argument_group("in place of what the file says")
    _add_model(own)
    own.add_argument("--detector", metavar="NAME", help="the detector of the benchmarks that have one")
    own.add_argument(
        "--official", action="store_true", help="the published weights of that and the CLIP (evalharness fetch geneval)"
    )
    own.add_argument("--judge", metavar="NAME", help="the judge of the benchmarks that have one")
    own.add_argument("--base-url", metavar="URL", help="that judge's endpoint")
    own.add_argument(
        "--judge-model",
        metavar="NAME",
        help="the judge's model; with --judge, a --model that no sweep file or plugin knows is taken for it",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Where nothing is scored."""
    _add_model(parser.add_argument_group("in place of what the file says"))
    parser.set_defaults(detector=None, official=False, judge=None, base_url=None, judge_model=None)


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", metavar="NAME", help="the model at the top: a plugin, or a key of models")
    group.add_argument("--weights", metavar="PATH", help="that model's weights")


def overridden(options: argparse.Namespace, top: schema.SweepFile) -> schema.SweepFile:
    """A sweep file as the options want it, to be checked like any."""
    model, judge_model = _models(options, top)
    update: dict[str, Any] = {}
    if model or options.weights:
        update |= _with_model(top, model or top.model, options.weights)
    benchmarks = top.benchmarks
    if options.detector or options.official:
        benchmarks = _with_detector(top, benchmarks, options.detector, official=options.official)
    if options.judge or options.base_url or judge_model:
        settings = {"base_url": options.base_url, "model": judge_model}
        given = {key: value for key, value in settings.items() if value is not None}
        benchmarks = _with_judge(top, benchmarks, options.judge, given)
    return top.model_copy(update=update | {"benchmarks": benchmarks})


def _models(options: argparse.Namespace, top: schema.SweepFile) -> tuple[str | None, str | None]:
    """Which model draws, and which judges.

    ``--judge openai --model NAME`` can only mean the judge's if no model here has that name. What is nearly such a name
    is rather a slip.
    """
    model, judge_model = options.model, options.judge_model
    known = {*top.models, *registry.available("models")}
    if model is None or judge_model is not None or not options.judge or model in known:
        return model, judge_model
    if difflib.get_close_matches(model, known, n=1, cutoff=0.8):
        hint = did_you_mean(model, known)
        raise ConfigError(f"--model: no model is called {model!r}{hint} If the judge's is meant, say --judge-model")
    return None, model


def _with_model(top: schema.SweepFile, model: str | schema.Entry | None, weights: str | None) -> dict[str, Any]:
    if model is None:
        raise ConfigError(f"--weights: sweep {top.name!r} has no model at its top; say which with --model")
    if weights is None:
        return {"model": model}
    # Unlike a path in the file, one on the command line is meant relative to where the command runs.
    path = {"weights": str(Path(weights).absolute()) if Path(weights).exists() else weights}
    if isinstance(model, str) and model in top.models:
        return {"model": model, "models": {**top.models, model: _entry(top.models[model]) | path}}
    return {"model": _entry(model) | path}


def _with_detector(
    top: schema.SweepFile, benchmarks: list[Any], detector: str | None, *, official: bool
) -> list[str | schema.Entry]:
    usual = [_usual_detector(_entry(entry).get("name")) for entry in benchmarks]
    if not any(usual):
        option = "--detector" if detector else "--official"
        raise ConfigError(f"{option}: no benchmark of sweep {top.name!r} has a detector")
    found: list[str | schema.Entry] = []
    for entry, name in zip(benchmarks, usual, strict=True):
        chosen = detector or _entry(entry).get("detector", name)
        if official and isinstance(chosen, str | dict):
            chosen = _entry(chosen) | {"weights": "official"}
        networks = {"detector": chosen} | ({"colors": {"weights": "official"}} if official else {})
        found.append(_entry(entry) | networks if name else entry)
    return found


def _usual_detector(benchmark: Any) -> str | None:
    """The detector that a benchmark has where none is chosen; ``None`` for one without detectors."""
    field = _settings("benchmarks", benchmark).get("detector") if isinstance(benchmark, str) else None
    return None if field is None else str(field.get_default(call_default_factory=True).name)


def _with_judge(
    top: schema.SweepFile, benchmarks: list[Any], judge: str | None, given: dict[str, Any]
) -> list[str | schema.Entry]:
    """The judge named here, or else that of the file, with these settings. One that the file has too keeps its others:
    they may be the protocol's."""
    option = "--judge" if judge is not None else JUDGE_OPTIONS[next(iter(given))]
    having = [_has(_entry(entry).get("name"), "judge") for entry in benchmarks]
    if not any(having):
        raise ConfigError(f"{option}: no benchmark of sweep {top.name!r} has a judge")
    found: list[str | schema.Entry] = []
    for entry, has in zip(benchmarks, having, strict=True):
        own = _entry(entry)
        of_file = _entry(own["judge"]) if "judge" in own else {}
        if has and judge is None and not of_file:
            raise ConfigError(f"{option}: the file names no judge for {own['name']}; say which with --judge")
        named = {"name": judge} if judge not in (None, of_file.get("name")) else of_file
        found.append(own | {"judge": named | _known(named.get("name"), given)} if has else entry)
    return found


def _known(judge: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The settings, if this judge has them."""
    fields = _settings("judges", judge) if given and isinstance(judge, str) else {}
    for key in given:
        if isinstance(judge, str) and key not in fields:
            raise ConfigError(f"{JUDGE_OPTIONS[key]}: judge {judge!r} has no {key}{did_you_mean(key, fields)}")
    return given


def _has(benchmark: Any, key: str) -> bool:
    return isinstance(benchmark, str) and key in _settings("benchmarks", benchmark)


def _settings(kind: str, name: str) -> dict[str, Any]:
    fields: dict[str, Any] = registry.load(kind, name).Settings.model_fields
    return fields


def _entry(entry: str | schema.Entry) -> schema.Entry:
    return {"name": entry} if isinstance(entry, str) else dict(entry)
