"""A sweep as a run recorded it: data, of which no plugin is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, PrivateAttr

from evalharness.api.variant import Variant
from evalharness.config.analysis import resolve
from evalharness.config.entries import validate
from evalharness.config.schema import Arm, BenchmarkEntry, BenchmarkSpec, Entry, PluginSpec, Sweep, SweepFile
from evalharness.config.shards import Shard
from evalharness.config.yaml import Document
from evalharness.errors import ConfigError
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Trajectory

NO_PLUGINS = "this was read from a report, which runs no plugin; name the sweep file instead"


class RecordedSettings(BaseModel):
    """The settings of a plugin, unchecked."""

    model_config = ConfigDict(extra="allow", frozen=True)


class RecordedSpec(PluginSpec):
    """A plugin that was used."""

    def build(self) -> NoReturn:
        """Refuse.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{self.label}: {NO_PLUGINS}")


class RecordedVariant(Variant):
    """The settings of a variant that was used, and what it said of itself."""

    model_config = ConfigDict(extra="allow", frozen=True)

    _cap: int | None = PrivateAttr()
    _key: dict[str, Any] = PrivateAttr()
    _drawings: int = PrivateAttr()

    @classmethod
    def of(cls, settings: Mapping[str, Any], key: Mapping[str, Any], cap: int | None, drawings: int) -> RecordedVariant:
        """A variant with these settings, :meth:`key`, :attr:`cap` and :attr:`drawings`."""
        variant = cls.model_validate(dict(settings))
        variant._key, variant._cap, variant._drawings = dict(key), cap, drawings
        return variant

    @property
    def cap(self) -> int | None:
        return self._cap

    @property
    def drawings(self) -> int:
        return self._drawings

    def key(self) -> dict[str, Any]:
        return self._key

    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[PromptImage | None]
    ) -> list[Trajectory]:
        raise ConfigError(f"variant {self.variant!r}: {NO_PLUGINS}")


def recorded_sweep(document: Document, variants: Mapping[str, RecordedVariant]) -> Sweep:
    """Read what :meth:`Sweep.resolved` returned.

    Args:
        document: It, and the file that it stood in.
        variants: The variant of each arm.

    Raises:
        ConfigError: It is damaged.
    """
    top = validate(SweepFile, document, ())
    arms = tuple(_arm(document, entry, variants) for entry in top.arms)
    names = {arm.name: arm.model for arm in arms}
    models = {alias: _spec(document, "models", entry) for alias, entry in top.models.items()}
    if len(names) < len(arms) or names.keys() != variants.keys() or set(names.values()) != models.keys():
        raise document.error("the arms are not those that are recorded beside it", "arms")
    if top.baseline not in names:
        raise document.error(f"no arm is called {top.baseline!r}", "baseline")
    settings = {name: variant.model_dump(mode="json") for name, variant in variants.items()}
    return Sweep(
        name=top.name,
        description=top.description,
        seed=top.seed,
        models=models,
        benchmarks=tuple(_benchmark(document, entry) for entry in top.benchmarks),
        arms=arms,
        baseline=top.baseline,
        executor=_spec(document, "executors", top.executor),
        analysis=resolve(document, top.analysis, settings, top.baseline, names),
        literature=tuple([top.literature] if isinstance(top.literature, str) else top.literature),
        failures=top.failures,
        shard=None if top.shard is None else Shard.parse(top.shard),
    )


def _arm(document: Document, entry: Entry, variants: Mapping[str, RecordedVariant]) -> Arm:
    name, model = entry.get("name"), entry.get("model")
    if not isinstance(name, str) or not isinstance(model, str) or name not in variants:
        raise document.error("an arm lacks its name, its model, or what is recorded of it", "arms")
    return Arm(name, model, variants[name])


def _benchmark(document: Document, entry: str | Entry) -> BenchmarkSpec:
    data = {"name": entry} if isinstance(entry, str) else dict(entry)
    common = validate(BenchmarkEntry, document, ("benchmarks",), {key: data.pop(key, None) for key in _COMMON})
    spec = RecordedSpec("benchmarks", common.name, RecordedSettings.model_validate(data))
    return BenchmarkSpec(spec, common.limit, common.samples, common.alias)


def _spec(document: Document, kind: str, entry: str | Entry) -> RecordedSpec:
    data = {"name": entry} if isinstance(entry, str) else dict(entry)
    name = data.pop("name", None)
    if not isinstance(name, str):
        raise document.error(f"key 'name' is missing: it says which of the {kind}", kind)
    return RecordedSpec(kind, name, RecordedSettings.model_validate(data))


_COMMON = tuple(BenchmarkEntry.model_fields)
