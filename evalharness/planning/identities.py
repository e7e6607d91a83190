"""Identities of a sweep's models and scorers, and what the models must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evalharness._util.hashing import digest
from evalharness.config.schema import Arm, Sweep
from evalharness.errors import ConfigError, WeightsError
from evalharness.planning.plan import PlannedBenchmark


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


def _require_pictures(arm: Arm, benchmarks: Mapping[str, PlannedBenchmark]) -> None:
    for name, planned in benchmarks.items():
        if any(item.picture is None for item in planned.items):
            raise ConfigError(
                f"arm {arm.name!r}: variant {arm.variant.variant!r} changes a picture, and the items of benchmark "
                f"{name!r} have none; those of benchmark 'edits' have"
            )
