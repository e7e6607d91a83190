"""Command-line options that replace settings of a sweep file: model, weights, detector, judge."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evalharness._util.text import some_of
from evalharness.api import registry
from evalharness.api.plugin_ref import PluginRef
from evalharness.config import schema
from evalharness.config.arm_families import base_name
from evalharness.errors import ConfigError, did_you_mean

GROUP = "settings that replace those of the sweep file"
JUDGE_OPTIONS = {"base_url": "--base-url", "model": "--judge-model"}
"""Setting of a judge → the option that sets it."""
MAX_NAMES = 5
"""Models that a message lists."""
OFFICIAL = {"weights": "official"}
"""The settings that stand for the published network, of detectors and of the CLIP that names colours."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all options that replace settings of a sweep file."""
    group = parser.add_argument_group(GROUP)
    _add_model(group)
    _add_scorer(group)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the model only, for a command that scores nothing."""
    _add_model(parser.add_argument_group(GROUP))
    parser.set_defaults(detector=None, official=False, judge=None, base_url=None, judge_model=None)


def add_scorer_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of detector and judge only, for a command that draws nothing."""
    _add_scorer(parser.add_argument_group("settings that replace those of the benchmark"))
    parser.set_defaults(model=None, weights=None)


def _add_scorer(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--detector", metavar="NAME", help="use this detector in all benchmarks that have one")
    group.add_argument(
        "--official",
        action="store_true",
        help="use the published weights of the detector and of CLIP (evalharness fetch geneval)",
    )
    group.add_argument("--judge", metavar="NAME", help="use this judge in all benchmarks that have one")
    group.add_argument("--base-url", metavar="URL", help="the judge's endpoint")
    group.add_argument(
        "--judge-model",
        metavar="NAME",
        help="the judge's model; with --judge, a --model that neither the sweep file nor a plugin has is used as this",
    )


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", metavar="NAME", help="the model of the sweep: a plugin, or a key of 'models'")
    group.add_argument("--weights", metavar="PATH", help="the weights of the model")


def overridden(options: argparse.Namespace, top: schema.SweepFile) -> schema.SweepFile:
    """Apply the options to a sweep file, which is then checked like any other.

    Raises:
        ConfigError: An option has nothing in the file to apply to.
    """
    model, judge_model = _models(options, top)
    update: dict[str, Any] = {}
    if model or options.weights:
        update |= _with_model(top, model or top.model, options.weights)
        _check_used("--model" if model else "--weights", top, model or top.model, options)
    benchmarks = top.benchmarks
    if options.detector or options.official:
        benchmarks = _with_detector(top, benchmarks, options.detector, official=options.official)
    if options.judge or options.base_url or judge_model:
        settings = {"base_url": options.base_url, "model": judge_model}
        given = {key: value for key, value in settings.items() if value is not None}
        benchmarks = _with_judge(top, benchmarks, options.judge, given)
    return top.model_copy(update=update | {"benchmarks": benchmarks})


def _models(options: argparse.Namespace, top: schema.SweepFile) -> tuple[str | None, str | None]:
    """Tell the model that draws from the model of the judge.

    In ``--judge openai --model NAME``, NAME must be the judge's model if no model that draws has that name, unless it
    looks like a misspelling of one.
    """
    model, judge_model = options.model, options.judge_model
    names = {*top.models, *registry.available("models")}
    if model is None or judge_model is not None or not options.judge or model in names:
        return model, judge_model
    if difflib.get_close_matches(model, names, n=1, cutoff=0.8):
        hint = did_you_mean(model, names)
        raise ConfigError(f"--model: no model is called {model!r}{hint} If the judge's is meant, say --judge-model")
    return None, model


def _with_model(top: schema.SweepFile, model: str | schema.Entry | None, weights: str | None) -> dict[str, Any]:
    if model is None:
        raise ConfigError(f"--weights: sweep {top.name!r} has no model at its top; say which with --model")
    if weights is None:
        return {"model": model}
    # A path on the command line is relative to the working directory, unlike a path in the file.
    path = {"weights": str(Path(weights).absolute()) if Path(weights).exists() else weights}
    if isinstance(model, str) and model in top.models:
        return {"model": model, "models": {**top.models, model: _entry(top.models[model]) | path}}
    return {"model": _entry(model) | path}


def _check_used(
    option: str, top: schema.SweepFile, model: str | schema.Entry | None, options: argparse.Namespace
) -> None:
    """Raise a ConfigError if no arm that is taken uses the model that an option replaces, or whose weights it does."""
    arms = _taken(top.arms, getattr(options, "only", []))
    named = [_names(arm["model"]) for arm in arms if "model" in arm]
    if len(named) < len(arms) or not arms:
        return  # an arm without a model uses the top's; a name that no arm has is told of later
    key = model if isinstance(model, str) else model and model.get("name")
    if options.weights is not None and any(key in names for names in named):
        return
    own = list(dict.fromkeys(name for names in named for name in names))
    raise ConfigError(
        f"{option}: all arms name their own model ({some_of(own, MAX_NAMES)}), so it would replace nothing; "
        "leave out their `model:` in the file, or name one of these with --model and give its --weights"
    )


def _taken(arms: list[schema.Entry], only: Sequence[str]) -> list[schema.Entry]:
    """The arms of the file that ``--only`` takes, by their own name or by that of an arm that they expand to."""
    names = {*only, *map(base_name, only)}
    return [arm for arm in arms if not only or str(arm.get("name")) in names]


def _names(value: Any) -> list[str]:
    """The names that a setting has, which may be a list of them."""
    return [name for entry in value for name in _names(entry)] if isinstance(value, list) else [str(value)]


def _with_detector(
    top: schema.SweepFile, benchmarks: list[Any], detector: str | None, *, official: bool
) -> list[str | schema.Entry]:
    if not any(_has(_entry(entry).get("name"), "detector") for entry in benchmarks):
        option = "--detector" if detector else "--official"
        raise ConfigError(f"{option}: no benchmark of sweep {top.name!r} has a detector")
    return [
        _detected(entry, detector, official=official) if _has(_entry(entry).get("name"), "detector") else entry
        for entry in benchmarks
    ]


def _detected(benchmark: str | schema.Entry, detector: str | None, *, official: bool) -> schema.Entry:
    """A benchmark with another detector, or with the published weights of all its networks."""
    settings = _entry(benchmark)
    if detector:
        settings["detector"] = detector
    if not official:
        return settings
    fields = _settings("benchmarks", settings["name"])
    usual = fields["detector"].get_default(call_default_factory=True)
    if isinstance(usual, PluginRef):
        settings.setdefault("detector", usual.name)
    if "detector" in settings:
        settings["detector"] = _changed(settings["detector"], lambda own: own | OFFICIAL)
    if "colors" in fields:
        settings["colors"] = _changed(settings.get("colors", {}), _official_colors, by_name=False)
    return settings


def _official_colors(settings: schema.Entry) -> schema.Entry:
    """The same settings with the published network in place of the one that they name."""
    return {key: value for key, value in settings.items() if key not in ("architecture", "pretrained")} | OFFICIAL


def _with_judge(
    top: schema.SweepFile, benchmarks: list[Any], judge: str | None, given: dict[str, Any]
) -> list[str | schema.Entry]:
    """Replace the judge, or some of its settings, in all benchmarks that have a judge.

    A judge that the file names as well keeps its other settings from the file: the protocol may depend on them.
    """
    option = "--judge" if judge is not None else JUDGE_OPTIONS[next(iter(given))]
    has_judge = [_has(_entry(entry).get("name"), "judge") for entry in benchmarks]
    if not any(has_judge):
        raise ConfigError(f"{option}: no benchmark of sweep {top.name!r} has a judge")

    def changed(entry: schema.Entry) -> schema.Entry:
        if judge is not None and judge != entry.get("name"):
            entry = {"name": judge}
        _check_judge_has(entry.get("name"), given)
        return entry | given

    entries: list[str | schema.Entry] = []
    for entry, judged in zip(benchmarks, has_judge, strict=True):
        if not judged:
            entries.append(entry)
            continue
        settings = _entry(entry)
        if judge is None and "judge" not in settings:
            raise ConfigError(f"{option}: the file names no judge for {settings['name']}; say which with --judge")
        of_file = settings.get("judge", judge)
        entries.append(settings | {"judge": _changed(of_file if judge is None else _only(of_file, judge), changed)})
    return entries


def _only(value: Any, name: str) -> Any:
    """Of a list of plugins those with a name, or the name if none has it; anything else, also in the list, as it is."""
    if not isinstance(value, list):
        return value
    kept = [entry for entry in value if not isinstance(entry, str | dict) or _entry(entry).get("name") == name]
    return kept if kept or not value else name


def _changed(value: Any, change: Callable[[schema.Entry], schema.Entry], *, by_name: bool = True) -> Any:
    """Change the settings that a value names, or each of them in a list, which makes a benchmark of each.

    Those of a list that become the same are one. What names no settings stays, for the check of the file to name it.

    Args:
        by_name: Whether a text names a plugin with its default settings.
    """
    if isinstance(value, list):
        changed = [_changed(entry, change, by_name=by_name) for entry in value]
        distinct = [entry for number, entry in enumerate(changed) if entry not in changed[:number]]
        return distinct[0] if len(distinct) == 1 < len(changed) else distinct
    return change(_entry(value)) if isinstance(value, dict) or (by_name and isinstance(value, str)) else value


def _check_judge_has(judge: Any, given: dict[str, Any]) -> None:
    """Raise a ConfigError if the judge does not have these settings."""
    fields = _settings("judges", judge) if given and isinstance(judge, str) else {}
    for key in given:
        if isinstance(judge, str) and key not in fields:
            raise ConfigError(f"{JUDGE_OPTIONS[key]}: judge {judge!r} has no {key}{did_you_mean(key, fields)}")


def _has(benchmark: Any, key: str) -> bool:
    return isinstance(benchmark, str) and key in _settings("benchmarks", benchmark)


def _settings(kind: str, name: str) -> dict[str, Any]:
    fields: dict[str, Any] = registry.load(kind, name).Settings.model_fields
    return fields


def _entry(entry: str | schema.Entry) -> schema.Entry:
    return {"name": entry} if isinstance(entry, str) else dict(entry)
