"""Reads the plan of a run from the file that :mod:`evalharness.planning.plan_record` wrote."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from evalharness._util.finite_json import finite_json
from evalharness._util.hashing import digest
from evalharness._util.regular_files import read_regular
from evalharness._util.validation import error_line
from evalharness.api.model import SourceFile
from evalharness.config.recorded import RecordedVariant, recorded_sweep
from evalharness.config.yaml import Document
from evalharness.errors import ConfigError
from evalharness.generation.format_words import default_format
from evalharness.planning.facts import BenchmarkFacts, FamilyFacts
from evalharness.planning.plan import Plan, PlannedBenchmark, PlannedRescoring
from evalharness.planning.plan_record import ArmRecord, BenchmarkRecord, PlanRecord, RescoringRecord
from evalharness.planning.planner import LACKING, Lacking, samples_and_jobs
from evalharness.types.item import Item, PromptImage, PromptSet

AGAIN = "make the report again from its sweep file: evalharness report FILE"
MAX_SAMPLES = 20_000_000


def read_plan(path: Path) -> Plan:
    """Read the file.

    Raises:
        FileNotFoundError: There is none.
        ConfigError: It is damaged.
    """
    try:
        return _plan(path, PlanRecord.model_validate(finite_json(read_regular(path))))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; {AGAIN}") from None
    except ValidationError as error:
        raise ConfigError(f"{path} is no plan: {error_line(error, PlanRecord)}; {AGAIN}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no plan: {error}; {AGAIN}") from None
    except ConfigError as error:
        raise ConfigError(f"{error}; {AGAIN}") from None


def _plan(path: Path, record: PlanRecord) -> Plan:
    variants = {
        name: RecordedVariant.of(arm.settings, arm.key, arm.cap, arm.drawings) for name, arm in record.arms.items()
    }
    sweep = recorded_sweep(Document(path, record.sweep), variants)
    if {spec.name: spec.plugin.name for spec in sweep.benchmarks} != {
        name: benchmark.plugin for name, benchmark in record.benchmarks.items()
    } or sweep.models.keys() != record.models.keys():
        raise ConfigError(f"{path}: the sweep has other benchmarks or models than are recorded beside it")
    drawn = sum(len(benchmark.items) * benchmark.samples for benchmark in record.benchmarks.values())
    if drawn * len(sweep.arms) > MAX_SAMPLES:
        raise ConfigError(f"{path}: more than {MAX_SAMPLES:,} samples")
    benchmarks = {name: _planned_benchmark(benchmark) for name, benchmark in record.benchmarks.items()}
    families = {arm.family: _family_facts(record.arms[arm.name], sweep.models[arm.model].name) for arm in sweep.arms}

    def locate(benchmark: str, alias: str, item: Item, seed_index: int) -> SourceFile | Lacking | None:
        files = record.models[alias].files
        if files is None:
            return None
        try:
            of_item = files[benchmark][item.id]
            source = of_item[seed_index] if seed_index < len(of_item) else LACKING
        except LookupError:
            raise ConfigError(f"{path}: model {alias!r} has no file for item {item.id!r}") from None
        if source is None or source is LACKING:
            return source
        return SourceFile(source.name, source.digest, source.part)

    samples, jobs = samples_and_jobs(sweep, benchmarks, families, locate)
    return Plan(
        sweep=sweep,
        benchmarks=benchmarks,
        models={alias: model.identity for alias, model in record.models.items()},
        samples=samples,
        jobs=jobs,
        families=families,
        image_sources={alias: model.survey for alias, model in record.models.items() if model.files is not None},
        literature=[{"benchmark": row.benchmark} | row.model_dump(mode="json") for row in record.literature],
    )


def _family_facts(record: ArmRecord, model: str) -> FamilyFacts:
    """What is recorded of an arm; the format, where an earlier version left it out, is that of its keys."""
    settings = record.head[2] if len(record.head) > 2 else None
    spoken = record.format
    if "format" not in record.model_fields_set and isinstance(settings, dict) and "format" in settings:
        spoken = default_format(model) if settings["format"] is None else str(settings["format"])
    return FamilyFacts(record.head, record.pictures, spoken)


def _planned_benchmark(record: BenchmarkRecord) -> PlannedBenchmark:
    items = tuple(
        Item(item.id, item.prompt, item.category, item.metadata, _picture(item.picture)) for item in record.items
    )
    facts = BenchmarkFacts(
        plugin=record.plugin,
        version=record.version,
        prompts=PromptSet(record.prompt_set, record.prompt_digest),
        weights=record.weights,
        judged=record.judged,
        title=record.title,
        notes=record.notes,
        whole=record.whole,
        features=record.features,
    )
    return PlannedBenchmark(
        source=facts,
        items=items,
        of=record.of,
        samples=record.samples,
        scorer=record.scorer,
        scorer_digest=digest(record.scorer),
        rescorings=tuple(_planned_rescoring(rescoring) for rescoring in record.rescorings),
        item_fields=tuple(record.item_fields),
        score_range=(record.score_range[0], record.score_range[1]),
    )


def _picture(digest: str | None) -> PromptImage | None:
    """A picture of which nothing but its digest is known; nobody looks for the file."""
    return None if digest is None else PromptImage(Path(), digest)


def _planned_rescoring(record: RescoringRecord) -> PlannedRescoring:
    return PlannedRescoring(
        name=record.name,
        kind=record.kind,
        items=frozenset(record.items),
        scorer=record.scorer,
        scorer_digest=digest(record.scorer),
        item_fields=tuple(record.item_fields),
    )
