"""The shape of a sweep file, and the :class:`Sweep` that it becomes once it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from evalharness.api import registry
from evalharness.api.variant import Variant
from evalharness.config.analysis import AnalysisEntry, Preregistration
from evalharness.config.arm_families import FamilyKey, family_key
from evalharness.config.shards import Shard

NAME = r"^[\w][\w .,=:+@-]*$"
MAX_NAME = 200
"""Characters of a name with the values that are swept."""

MAX_SWEEP_NAME = 100
"""Characters of a sweep's name, which is a part of names of folders."""

Name = Annotated[str, Field(pattern=NAME, max_length=MAX_NAME)]
Entry = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FailureLimits(_Strict):
    """When a model or scorer is given up.

    Attributes:
        first: Number of its first samples that all fail the same way; ``None`` for never.
        rate: Share of its samples, in 0..1, above which too many failed; ``None`` for any.
    """

    first: Annotated[int, Field(ge=2, strict=True)] | None = 10
    rate: Annotated[float, Field(ge=0, le=1)] | None = None


class SweepFile(_Strict):
    """The top level of a sweep file. The plugins that its entries name check the rest of each entry."""

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=MAX_SWEEP_NAME)]
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    model: str | Entry | None = None
    models: dict[Name, str | Entry] = {}
    benchmarks: Annotated[list[str | Entry], Field(min_length=1)]
    arms: Annotated[list[Entry], Field(min_length=1)]
    baseline: str | None = None
    executor: str | Entry = "local"
    failures: FailureLimits = FailureLimits()
    analysis: AnalysisEntry = AnalysisEntry()
    literature: str | list[str] = []
    shard: str | None = None


class BenchmarkEntry(_Strict):
    """The keys of a benchmark's entry that every benchmark has; all other keys are settings of its plugin.

    Attributes:
        name: Name of the plugin.
        alias: Name of the benchmark in this sweep; by default the name of its plugin.
        limit: Number of items to use, stratified by category; ``None`` uses all.
        samples: Images per prompt.
    """

    name: str
    alias: Name | None = None
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    samples: Annotated[int, Field(ge=1, le=10_000, strict=True)] | None = None


@dataclass(frozen=True)
class PluginSpec:
    """A plugin and its checked settings."""

    kind: str
    name: str
    settings: BaseModel

    @property
    def label(self) -> str:
        """Kind and name for messages, such as ``model 'bagel'``."""
        return f"{self.kind.removesuffix('s')} {self.name!r}"

    def build(self) -> Any:
        """Create the plugin. This is cheap: a plugin reads no weights before it is used."""
        return registry.load(self.kind, self.name)(self.settings)


@dataclass(frozen=True)
class BenchmarkSpec:
    """A benchmark of a sweep; see :class:`BenchmarkEntry` for its fields."""

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
    """One line of the results table. ``model`` is a key of :attr:`Sweep.models`."""

    name: str
    model: str
    variant: Variant

    @property
    def cap(self) -> int | None:
        """The iteration cap; ``None`` for a variant that does not iterate."""
        return self.variant.cap

    @property
    def family(self) -> FamilyKey:
        """A key that arms share if they differ only in their cap."""
        return family_key(self.model, self.variant.key())


@dataclass(frozen=True)
class Sweep:
    """A checked sweep file: its lists are expanded to arms, and all settings are objects of their classes."""

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
    failures: FailureLimits = field(default_factory=FailureLimits)
    shard: Shard | None = None

    def resolved(self) -> dict[str, Any]:
        """The sweep as JSON, as the report shows it and a sweep file could state it."""
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
            **({} if self.failures == FailureLimits() else {"failures": self.failures.model_dump()}),
            "analysis": self.analysis.as_dict(),
            "literature": list(self.literature),
            **({} if self.shard is None else {"shard": str(self.shard)}),
        }


def _plugin_json(spec: PluginSpec) -> dict[str, Any]:
    return {"name": spec.name} | spec.settings.model_dump(mode="json")
