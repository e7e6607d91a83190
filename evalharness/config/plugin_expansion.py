"""Models and benchmarks of a sweep file; settings of a plugin that are lists or ranges make one of each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evalharness.api import registry
from evalharness.config.entries import plugin_spec, validate
from evalharness.config.matrix import MAX_VALUES, Choice, literal_settings, matrix
from evalharness.config.schema import BenchmarkEntry, BenchmarkSpec, Entry, PluginSpec, SweepFile
from evalharness.config.yaml import Document, Location
from evalharness.errors import PluginError


@dataclass(frozen=True)
class Models:
    """The models of a sweep.

    Attributes:
        specs: Alias → model. The alias of a model with swept settings ends in their values.
        expanded: Key of the file → what an arm's name says of each of its models, such as ``model.steps=2`` (nothing
            without swept settings), and the alias.
    """

    specs: dict[str, PluginSpec]
    expanded: dict[str, list[tuple[list[str], str]]]

    def named(self, document: Document, name: str, at: Location) -> list[tuple[list[str], str]]:
        """The models that an arm names; one that is a plugin's name is added."""
        if name not in self.expanded:
            self.add(document, name, name, at)
        return self.expanded[name]

    def add(self, document: Document, key: str, entry: str | Entry, at: Location) -> None:
        for choice in _choices(document, "models", entry, at):
            alias = " ".join([key, *choice.labels])
            if alias in self.specs:
                raise document.error(f"two models are called {alias!r}", *at)
            if len(self.specs) >= MAX_VALUES:
                raise document.error(f"more than {MAX_VALUES} models", *at)
            self.specs[alias] = plugin_spec(document, "models", choice.settings, at)
            labels = [f"model.{label}" for label in choice.labels]
            self.expanded.setdefault(key, []).append((labels, alias))


def models(document: Document, top: SweepFile) -> Models:
    """The models that a sweep file has under ``models`` and ``model``.

    Raises:
        ConfigError: An entry is invalid, or two have one name.
    """
    made = Models({}, {})
    for key, entry in top.models.items():
        made.add(document, key, entry, ("models", key))
    if isinstance(top.model, dict) or (top.model is not None and top.model not in made.expanded):
        name = top.model if isinstance(top.model, str) else str(top.model.get("name"))
        if name in made.expanded:
            raise document.error(f"{name!r} is also a key of 'models'; give the key there another name", "model")
        made.add(document, name, top.model, ("model",))
    return made


def benchmarks(document: Document, top: SweepFile) -> tuple[BenchmarkSpec, ...]:
    """The benchmarks of a sweep file.

    Raises:
        ConfigError: An entry is invalid, or two benchmarks have one name.
    """
    specs: list[BenchmarkSpec] = []
    for index, raw in enumerate(top.benchmarks):
        for spec in _benchmarks(document, {"name": raw} if isinstance(raw, str) else raw, ("benchmarks", index)):
            if any(earlier.name == spec.name for earlier in specs):
                raise document.error(
                    f"benchmark {spec.name!r} stands twice; give one of them an alias", "benchmarks", index
                )
            if len(specs) >= MAX_VALUES:
                raise document.error(f"more than {MAX_VALUES} benchmarks", "benchmarks", index)
            specs.append(spec)
    return tuple(specs)


def _benchmarks(document: Document, entry: Entry, at: Location) -> Iterator[BenchmarkSpec]:
    common_keys = {key: value for key, value in entry.items() if key in BenchmarkEntry.model_fields}
    common = validate(BenchmarkEntry, document, at, common_keys)
    settings = {key: value for key, value in entry.items() if key not in common_keys or key == "name"}
    for choice in _choices(document, "benchmarks", settings, at):
        plugin = plugin_spec(document, "benchmarks", choice.settings, at, common=("limit", "samples", "alias"))
        alias = " ".join([common.alias or plugin.name, *choice.labels]) if choice.labels else common.alias
        yield BenchmarkSpec(plugin, common.limit, common.samples, alias)


def _choices(document: Document, kind: str, entry: str | Entry, at: Location) -> Iterator[Choice]:
    settings: Mapping[str, object] = {"name": entry} if isinstance(entry, str) else entry
    name = settings.get("name")
    try:
        cls = registry.load(kind, name).Settings if isinstance(name, str) else None
    except PluginError:
        cls = None
    if cls is None:  # an error that plugin_spec names
        yield Choice(dict(settings), [])
        return
    literal = literal_settings(cls, settings) | {"name"}
    yield from matrix(document, at, dict(settings), literal)
