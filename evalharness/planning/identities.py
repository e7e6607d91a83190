"""Identities of a sweep's models and scorers, and what the models must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evalharness._util.hashing import digest
from evalharness.config.schema import Arm, Sweep
from evalharness.errors import ConfigError, WeightsError
from evalharness.planning.plan import PlannedBenchmark, PlannedRescoring


def identity_or_placeholder(
    name: str, identity: Callable[[], Mapping[str, Any]], absent: dict[str, str] | None
) -> Mapping[str, Any]:
    """Return an identity, or a unique placeholder if weights are missing.

    Args:
        name: Words that name the model or scorer.
        identity: Computes the identity.
        absent: Receives the name and the reason why weights are missing; ``None`` if they must not be missing.

    Raises:
        WeightsError: Weights are missing, and ``absent`` is ``None``.
    """
    try:
        return identity()
    except WeightsError as error:
        if absent is None:
            raise
        absent[name] = str(error)
        return {"absent": name}


def require_abilities(sweep: Sweep, alias: str, model: Any, benchmarks: Mapping[str, PlannedBenchmark]) -> None:
    """Check that a model can do what each of its arms asks.

    Raises:
        ConfigError: It cannot.
    """
    for arm in sweep.arms:
        if arm.model != alias:
            continue
        try:
            arm.variant.check(model)
        except ConfigError as error:
            raise ConfigError(f"arm {arm.name!r}: {error}") from None
        word = model.said_in_name(arm.variant)
        if word.lower() not in arm.name.lower():
            raise ConfigError(
                f"arm {arm.name!r}: its model does {word!r}, which the name of the arm must say, such as "
                f"'{arm.name}, {word}'"
            )
        if model.one_worker:
            _require_one_worker(sweep, arm)
        if arm.variant.needs_pictures:
            _require_pictures(arm, benchmarks)


def require_distinct_replicates(sweep: Sweep, models: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no checkpoint is declared twice as a replicate, which would look like trainings without any noise.

    Args:
        models: Identities by alias.

    Raises:
        ConfigError: Two arms of a group of replicates have the same weights.
    """
    aliases = {arm.name: arm.model for arm in sweep.arms}
    for group in sweep.analysis.replicates:
        arms_of_weights: dict[str, str] = {}
        for arm in group.arms:
            first = arms_of_weights.setdefault(digest(dict(models[aliases[arm]])), arm)
            if first != arm:
                raise ConfigError(f"replicates {group.name!r}: {first!r} and {arm!r} have the same weights")


def require_distinct_endpoints(built: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no two endpoints would share their images, which would compare one of them with itself.

    Args:
        built: Models by alias.
        models: Their identities.

    Raises:
        ConfigError: Two models have the same identity at different addresses.
    """
    first_aliases: dict[str, str] = {}
    for alias, model in built.items():
        first = first_aliases.setdefault(digest(dict(models[alias])), alias)
        if built[first].address != model.address:
            raise ConfigError(
                f"models {first!r} and {alias!r} ask for the same model in the same way at different addresses, and "
                "would share their images; give one of them `served_by: NAME`"
            )


def require_other_judge(benchmark: str, scorer: str, rescoring: PlannedRescoring) -> None:
    """Check that a second scorer is not the first one, with whose scores it would agree always.

    Args:
        benchmark: The benchmark's name.
        scorer: Digest of the identity of the benchmark's scorer.
        rescoring: One of its rescorings.

    Raises:
        ConfigError: Both have the same identity.
    """
    if rescoring.kind == "second" and rescoring.scorer_digest == scorer:
        raise ConfigError(
            f"benchmark {benchmark!r}: the {rescoring.name} is the first one again, and would agree with itself; name "
            "another, ask for `judge_repeats`, or give one of two endpoints `served_by: NAME`"
        )


def _require_one_worker(sweep: Sweep, arm: Arm) -> None:
    """Check that a single worker draws for an arm."""
    if sweep.executor.build().most_workers(arm.model) != 1:
        raise ConfigError(
            f"arm {arm.name!r}: a part of its model has a budget, which is counted in one worker; let the executor "
            "have one, such as `executor: {name: local, workers: 1}`"
        )


def _require_pictures(arm: Arm, benchmarks: Mapping[str, PlannedBenchmark]) -> None:
    for name, planned in benchmarks.items():
        if any(item.picture is None for item in planned.items):
            raise ConfigError(
                f"arm {arm.name!r}: variant {arm.variant.variant!r} changes a picture, and the items of benchmark "
                f"{name!r} have none; those of benchmark 'edits' have"
            )
