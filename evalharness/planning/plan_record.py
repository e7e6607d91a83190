"""The plan of a run as a file beside its report: all that reading the run needs of its plugins.

A folder from elsewhere is data. Whatever reads a run takes its plan from this file, and makes no plugin of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from evalharness.config.literature import PublishedScore
from evalharness.planning.facts import FamilyFacts
from evalharness.planning.plan import Plan, PlannedBenchmark
from evalharness.types.item import Item, ItemField

NAME = "plan.json"
VERSION: Literal[1] = 1

Count = Annotated[int, Field(ge=0, lt=1 << 40)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _is(kind: type) -> PlainValidator:
    """Keeps a value of a type as it is: pydantic's own strings have no lone surrogates, which prompts may have."""

    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise ValueError(f"Input should be a {'text' if kind is str else 'mapping'}")
        return value

    return PlainValidator(check)


Text = Annotated[str, _is(str)]
Data = Annotated[dict[str, Any], _is(dict)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ItemRecord(_Record):
    """An item; ``picture`` is the digest of its picture."""

    id: Text
    prompt: Text
    category: Text
    metadata: Data
    picture: Sha256 | None = None


class RescoringRecord(_Record):
    name: str
    kind: Literal["repeat", "second"]
    items: list[Text]
    scorer: Data
    item_fields: list[ItemField]


class BenchmarkRecord(_Record):
    plugin: str
    version: str
    prompt_set: str
    prompt_digest: str
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    judged: bool
    title: str | None
    notes: list[str] | None
    whole: dict[str, Count] | None
    items: list[ItemRecord]
    of: Count
    samples: Annotated[int, Field(ge=1, le=10_000)]
    scorer: Data
    item_fields: list[ItemField]
    score_range: Annotated[list[float], Field(min_length=2, max_length=2)]
    rescorings: list[RescoringRecord]
    features: Data | None = None


class SourceRecord(_Record):
    name: Text
    digest: Sha256 | Literal[""]
    part: Count


class ModelRecord(_Record):
    """A model; ``files`` has the file of each image by benchmark and item, and ``survey`` warnings about them."""

    identity: Data
    files: dict[str, dict[str, list[SourceRecord | None]]] | None = None
    survey: list[str] = []


class ArmRecord(_Record):
    """An arm; ``format`` is what its model speaks, also where its settings name none. Earlier versions left it out."""

    settings: Data
    key: Data
    cap: Count | None
    drawings: Count
    pictures: bool
    head: Annotated[list[Any], Field(min_length=1)]
    format: str | None = None


class ScoreRecord(PublishedScore):
    benchmark: str


class PlanRecord(_Record):
    """The file. ``sweep`` is what :meth:`~evalharness.config.schema.Sweep.resolved` returned."""

    version: Literal[1]
    sweep: Data
    benchmarks: dict[str, BenchmarkRecord]
    models: dict[str, ModelRecord]
    arms: dict[str, ArmRecord]
    literature: list[ScoreRecord]


def plan_text(plan: Plan, sweep: Mapping[str, Any] | None = None) -> str:
    """The text of the file for a plan.

    Args:
        sweep: The sweep as the report shows it, if that is not as it was resolved.
    """
    record = PlanRecord(
        version=VERSION,
        sweep=dict(sweep or plan.sweep.resolved()),
        benchmarks={name: _benchmark_record(planned) for name, planned in plan.benchmarks.items()},
        models={alias: _model_record(plan, alias) for alias in plan.models},
        arms={arm.name: _arm_record(plan, arm.variant, plan.families[arm.family]) for arm in plan.sweep.arms},
        literature=[ScoreRecord.model_validate(dict(row)) for row in plan.literature],
    )
    return json.dumps(record.model_dump(), separators=(",", ":")) + "\n"


def _benchmark_record(planned: PlannedBenchmark) -> BenchmarkRecord:
    facts = planned.facts
    return BenchmarkRecord(
        plugin=facts.plugin,
        version=facts.version,
        prompt_set=facts.prompts.name,
        prompt_digest=facts.prompts.digest,
        weights={category: float(weight) for category, weight in facts.weights.items()},
        judged=facts.judged,
        title=facts.title,
        notes=None if facts.notes is None else list(facts.notes),
        whole=None if facts.whole is None else dict(facts.whole),
        items=[_item_record(item) for item in planned.items],
        of=planned.of,
        samples=planned.samples,
        scorer=dict(planned.scorer),
        item_fields=list(planned.item_fields),
        score_range=list(planned.score_range),
        rescorings=[
            RescoringRecord(
                name=rescoring.name,
                kind="repeat" if rescoring.kind == "repeat" else "second",
                items=sorted(rescoring.items),
                scorer=dict(rescoring.scorer),
                item_fields=list(rescoring.item_fields),
            )
            for rescoring in planned.rescorings
        ],
        features=None if facts.features is None else dict(facts.features),
    )


def _item_record(item: Item) -> ItemRecord:
    picture = None if item.picture is None else item.picture.digest
    return ItemRecord(
        id=item.id, prompt=item.prompt, category=item.category, metadata=dict(item.metadata), picture=picture
    )


def _model_record(plan: Plan, alias: str) -> ModelRecord:
    identity = dict(plan.models[alias])
    if alias not in plan.surveys:
        return ModelRecord(identity=identity)
    files: dict[str, dict[str, list[SourceRecord | None]]] = defaultdict(lambda: defaultdict(list))
    arm = next(arm.name for arm in plan.sweep.arms if arm.model == alias)
    for sample in plan.samples:
        if sample.arm.name == arm:
            source = plan.jobs[sample.job].source
            entry = None if source is None else SourceRecord(name=source.name, digest=source.digest, part=source.part)
            files[sample.benchmark][sample.item.id].append(entry)
    return ModelRecord(
        identity=identity, files={name: dict(items) for name, items in files.items()}, survey=plan.surveys[alias]
    )


def _arm_record(plan: Plan, variant: Any, facts: FamilyFacts) -> ArmRecord:
    return ArmRecord(
        settings=variant.model_dump(mode="json"),
        key=variant.key(),
        cap=variant.cap,
        drawings=variant.drawings,
        pictures=facts.pictures,
        head=list(facts.head),
        format=facts.format,
    )
