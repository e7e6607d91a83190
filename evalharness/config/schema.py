"""Sweep files: from YAML to checked models. A mistake is answered with its line and the nearest known word."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util.validation import Mistake, first_mistake
from evalharness.api import registry
from evalharness.api.variant import Variant
from evalharness.config import literature, yaml
from evalharness.config.analysis import AnalysisEntry, Preregistration
from evalharness.config.analysis import resolve as resolve_analysis
from evalharness.config.arm_families import FamilyKey, family_key
from evalharness.config.yaml import Document, Location
from evalharness.errors import ConfigError, PluginError, did_you_mean
from evalharness.generation import variants

MAX_ARMS = 1000
RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
NAME = r"^[\w][\w .,=:+@-]*$"

Name = Annotated[str, Field(pattern=NAME, max_length=100)]
Entry = dict[str, Any]
M = TypeVar("M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SweepFile(_Strict):
    """The top level of a sweep file; what stands inside the entries is checked by the plugins they name."""

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=100)]
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    model: str | Entry | None = None
    models: dict[str, str | Entry] = {}
    benchmarks: Annotated[list[str | Entry], Field(min_length=1)]
    arms: Annotated[list[Entry], Field(min_length=1)]
    baseline: str | None = None
    executor: str | Entry = "local"
    analysis: AnalysisEntry = AnalysisEntry()
    literature: str | list[str] = []


class BenchmarkEntry(_Strict):
    """The keys of a benchmark that are not its plugin's.

    Attributes:
        name: Its plugin.
        alias: Its name in this sweep, by default that of its plugin.
        limit: How many items, stratified by category; ``None`` for all.
        samples: Images per prompt.
    """

    name: str
    alias: Name | None = None
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    samples: Annotated[int, Field(ge=1, le=10_000, strict=True)] | None = None


@dataclass(frozen=True)
class PluginSpec:
    """A plugin and its checked settings. ``build()`` is cheap: the plugin reads no weights before it is used."""

    kind: str
    name: str
    settings: BaseModel

    def build(self) -> Any:
        return registry.load(self.kind, self.name)(self.settings)


@dataclass(frozen=True)
class BenchmarkSpec:
    plugin: PluginSpec
    limit: int | None
    samples: int | None
    alias: str | None = None

    @property
    def name(self) -> str:
        """The benchmark's name in the plan, the store's results and the report."""
        return self.alias or self.plugin.name


@dataclass(frozen=True)
class Arm:
    """One line of the table. ``model`` is a key of :attr:`Sweep.models`."""

    name: str
    model: str
    variant: Variant

    @property
    def cap(self) -> int | None:
        """The iteration cap; ``None`` for a variant that does not iterate."""
        return self.variant.cap

    @property
    def family(self) -> FamilyKey:
        """The same for arms that differ only in their cap."""
        return family_key(self.model, self.variant.key())


@dataclass(frozen=True)
class Sweep:
    """A sweep file, checked and written out: no lists left to expand, all settings in their classes."""

    name: str
    description: str
    seed: int
    models: Mapping[str, PluginSpec]
    benchmarks: tuple[BenchmarkSpec, ...]
    arms: tuple[Arm, ...]
    baseline: str
    executor: PluginSpec
    analysis: Preregistration = field(default_factory=Preregistration)
    literature: tuple[str, ...] = ()

    def resolved(self) -> dict[str, Any]:
        """The sweep as JSON, as the report shows it."""
        return {
            "name": self.name,
            "description": self.description,
            "seed": self.seed,
            "models": {alias: _plugin_json(spec) for alias, spec in self.models.items()},
            "benchmarks": [
                _plugin_json(spec.plugin)
                | ({"alias": spec.alias} if spec.alias else {})
                | {"limit": spec.limit, "samples": spec.samples}
                for spec in self.benchmarks
            ],
            "arms": [{"name": arm.name, "model": arm.model} | arm.variant.model_dump(mode="json") for arm in self.arms],
            "baseline": self.baseline,
            "executor": _plugin_json(self.executor),
            "analysis": self.analysis.as_dict(),
            "literature": list(self.literature),
        }


def _plugin_json(spec: PluginSpec) -> dict[str, Any]:
    return {"name": spec.name} | spec.settings.model_dump(mode="json")


Override = Callable[[SweepFile], SweepFile]
"""Changes what a sweep file says before its entries are checked: the command line's options."""


def unchanged(top: SweepFile) -> SweepFile:
    """The override that changes nothing."""
    return top


def find(file: str | Path) -> Path:
    """The sweep file of this path, or the one of that name (``x.yaml``, ``ablations/x.yaml``) in the package.

    Raises:
        ConfigError: there is neither.
    """
    path = Path(file)
    if path.is_file():
        return path
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a sweep file")
    shipped = Path(str(resources.files("evalharness.ablations")))
    if path.parent in (Path(), Path("ablations")) and (shipped / path.name).is_file():
        return shipped / path.name
    names = sorted(found.name for found in shipped.glob("*.yaml"))
    hint = did_you_mean(path.name, names)
    raise ConfigError(f"{path}: no such file, and no sweep of that name comes with evalharness{hint}")


def load(file: str | Path, override: Override = unchanged) -> Sweep:
    """Read and check a sweep file. ``override`` may change what it says before its entries are checked.

    Raises:
        ConfigError: with ``file:line:column`` where something in the file is at fault.
    """
    return parse(yaml.read(find(file)), override)


def parse(document: Document, override: Override = unchanged) -> Sweep:
    """Check a sweep that was read; what :meth:`Sweep.resolved` gives is one, too."""
    top = override(_validate(SweepFile, document, ()))
    models = _models(document, top)
    arms = tuple(_arms(document, top, models))
    baseline = _baseline(document, top, arms)
    settings = {arm.name: arm.variant.model_dump(mode="json") for arm in arms}
    return Sweep(
        name=top.name,
        description=top.description,
        seed=top.seed,
        models={alias: spec for alias, spec in models.items() if any(arm.model == alias for arm in arms)},
        benchmarks=_benchmarks(document, top),
        arms=arms,
        baseline=baseline,
        executor=_plugin(document, "executors", top.executor, ("executor",)),
        analysis=resolve_analysis(document, top.analysis, settings, baseline, {arm.name: arm.model for arm in arms}),
        literature=literature.resolve(document, top.literature),
    )


# --- entries ---


def _models(document: Document, top: SweepFile) -> dict[str, PluginSpec]:
    models = {alias: _plugin(document, "models", entry, ("models", alias)) for alias, entry in top.models.items()}
    if isinstance(top.model, dict) or (top.model is not None and top.model not in models):
        spec = _plugin(document, "models", top.model, ("model",))
        models[spec.name] = spec
    return models


def _benchmarks(document: Document, top: SweepFile) -> tuple[BenchmarkSpec, ...]:
    specs: list[BenchmarkSpec] = []
    for index, raw in enumerate(top.benchmarks):
        at: Location = ("benchmarks", index)
        entry = {"name": raw} if isinstance(raw, str) else raw
        own = {key: value for key, value in entry.items() if key in BenchmarkEntry.model_fields}
        common = _validate(BenchmarkEntry, document, at, own)
        rest = {key: value for key, value in entry.items() if key not in own or key == "name"}
        plugin = _plugin(document, "benchmarks", rest, at, common=("limit", "samples", "alias"))
        spec = BenchmarkSpec(plugin, common.limit, common.samples, common.alias)
        if any(earlier.name == spec.name for earlier in specs):
            raise document.error(f"benchmark {spec.name!r} stands twice; give one of them an alias", *at)
        specs.append(spec)
    return tuple(specs)


def _plugin(
    document: Document, kind: str, entry: str | Entry, at: Location, common: tuple[str, ...] = ()
) -> PluginSpec:
    """A plugin named by a word, or by a mapping whose other keys are its settings."""
    settings = {} if isinstance(entry, str) else dict(entry)
    name = entry if isinstance(entry, str) else settings.pop("name", None)
    where = at if isinstance(entry, str) else (*at, "name")
    if not isinstance(name, str):
        raise document.error(f"key 'name' is missing: it says which of the {kind}", *where)
    try:
        plugin = registry.load(kind, name)
    except PluginError as error:
        raise document.error(str(error), *where) from error
    cls: type[BaseModel] = plugin.Settings
    checked = _validate(cls, document, at, settings, common=("name", *common))
    return PluginSpec(kind, name, _with_absolute_paths(checked, document.path.parent.absolute()))


def _with_absolute_paths(settings: M, base: Path) -> M:
    """Relative paths that were written in the file are meant relative to the file."""
    update: dict[str, Any] = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name, None)
        if isinstance(value, Path):
            update[name] = base / value.expanduser()
        elif isinstance(value, BaseModel):
            update[name] = _with_absolute_paths(value, base)
    return settings.model_copy(update=update) if update else settings


# --- arms ---


def _arms(document: Document, top: SweepFile, models: dict[str, PluginSpec]) -> Iterator[Arm]:
    seen: set[str] = set()
    for index, entry in enumerate(top.arms):
        at: Location = ("arms", index)
        if not isinstance(entry.get("name"), str) or not re.match(NAME, entry["name"]):
            raise document.error("an arm needs a name that starts with a letter or digit", *at, "name")
        settings = {key: value for key, value in entry.items() if key != "name"}
        settings.setdefault("model", _default_model(top))
        for choice, label in _matrix(document, at, settings):
            arm = _arm(document, at, " ".join([entry["name"], *label]), choice, models)
            if arm.name in seen:
                raise document.error(f"two arms are called {arm.name!r}", *at, "name")
            seen.add(arm.name)
            if len(seen) > MAX_ARMS:
                raise document.error(f"more than {MAX_ARMS} arms", *at)
            yield arm


def _default_model(top: SweepFile) -> str | None:
    if top.model is None and len(top.models) == 1:
        return next(iter(top.models))
    return top.model["name"] if isinstance(top.model, dict) else top.model


def _matrix(document: Document, at: Location, settings: Entry) -> Iterator[tuple[Entry, list[str]]]:
    """All combinations of the settings that are lists or ranges, each with the words that tell it from the others."""
    options = {key: _options(document, (*at, key), value) for key, value in settings.items()}
    lists = [key for key in settings if isinstance(settings[key], list) or _is_range(settings[key])]
    for values in product(*options.values()):
        choice = dict(zip(options, values, strict=True))
        yield choice, [f"{key}={_word(choice[key])}" for key in lists]


def _is_range(value: Any) -> bool:
    return isinstance(value, str) and RANGE.fullmatch(value) is not None


def _options(document: Document, at: Location, value: Any) -> list[Any]:
    if isinstance(value, list):
        if not value:
            raise document.error("an empty list leaves no arm", *at)
        options: list[Any] = []
        for item in value:
            options += _options(document, at, item)
            if len(options) > MAX_ARMS:
                raise document.error(f"more than {MAX_ARMS} values", *at)
        return options
    if match := RANGE.fullmatch(value) if isinstance(value, str) else None:
        first, last = int(match[1]), int(match[2])
        if not 0 <= last - first < MAX_ARMS:
            raise document.error(f"the range {value} is empty or has more than {MAX_ARMS} values", *at)
        return list(range(first, last + 1))
    return [value]


def _word(value: Any) -> str:
    return json.dumps(value).strip('"')


def _arm(document: Document, at: Location, name: str, choice: Entry, models: dict[str, PluginSpec]) -> Arm:
    settings = dict(choice)
    model = settings.pop("model")
    if model is None:
        raise document.error("this arm has no model; give one here or at the top of the file", *at)
    if not isinstance(model, str):
        raise document.error("an arm's model is a name; put its settings under 'models:'", *at, "model")
    if model not in models:
        models[model] = _plugin(document, "models", model, (*at, "model"))
    variant = settings.get("variant")
    known = variants.names()
    if not isinstance(variant, str) or variant not in known:
        raise document.error(f"unknown variant {variant!r}{did_you_mean(str(variant), known)}", *at, "variant")
    try:
        cls = variants.variant_class(variant)
    except PluginError as error:
        raise document.error(str(error), *at, "variant") from error
    return Arm(name, model, _validate(cls, document, at, settings, common=("name", "model")))


def _baseline(document: Document, top: SweepFile, arms: tuple[Arm, ...]) -> str:
    names = [arm.name for arm in arms]
    if top.baseline is None:
        return names[0]
    if top.baseline not in names:
        raise document.error(f"no arm is called {top.baseline!r}{did_you_mean(top.baseline, names)}", "baseline")
    return top.baseline


# --- errors with their place ---


def _validate(cls: type[M], document: Document, at: Location, data: Any = None, *, common: tuple[str, ...] = ()) -> M:
    """Check ``data`` (by default the whole document), which stands at ``at``; ``common`` are keys known besides.

    As strict JSON, where a word may be a path but neither ``true`` nor ``"3"`` is a number.
    """
    text = json.dumps(document.data if data is None else data, default=str)
    try:
        return cls.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise _located(document, at, first_mistake(error, cls, common)) from None


def _located(document: Document, at: Location, mistake: Mistake) -> ConfigError:
    """A mistake in what stands at ``at``, with its line."""
    location = (*at, *mistake.location)
    more = f" (and {mistake.count - 1} more)" if mistake.count > 1 else ""
    if mistake.kind == "extra_forbidden":
        return document.error(f"{mistake.message}{more}", *location, key=True)
    if mistake.kind == "missing":
        return document.error(f"{mistake.message}{more}", *location[:-1])
    # Where a value may be of several types, the place ends with the type's name, which is not in the file.
    while location[len(at) :] and location not in document.values:
        location = location[:-1]
    place = ".".join(map(str, location[len(at) :]))
    return document.error(f"{place + ': ' if place else ''}{mistake.message}{more}", *location)
