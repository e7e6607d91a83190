"""Finds, reads and checks sweep files: from YAML to a :class:`~evalharness.config.schema.Sweep`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from evalharness.config import literature, plugin_expansion, yaml
from evalharness.config.analysis import resolve as resolve_analysis
from evalharness.config.arm_expansion import expand_arms
from evalharness.config.entries import plugin_spec, validate
from evalharness.config.schema import Arm, Sweep, SweepFile
from evalharness.config.shards import Shard
from evalharness.config.yaml import Document
from evalharness.errors import ConfigError, did_you_mean

Override = Callable[[SweepFile], SweepFile]
"""Changes the contents of a sweep file before its entries are checked, as the command line's options do."""


def unchanged(top: SweepFile) -> SweepFile:
    """The override that changes nothing."""
    return top


def find(file: str | Path) -> Path:
    """Find a sweep file by its path, or by its name among those in the package (``x.yaml`` or ``ablations/x.yaml``).

    Raises:
        ConfigError: No such file exists.
    """
    path = Path(file)
    if path.is_file():
        return path
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a sweep file")
    shipped = Path(str(resources.files("evalharness.ablations")))
    if path.parent in (Path(), Path("ablations")) and (shipped / path.name).is_file():
        return shipped / path.name
    names = sorted(example.name for example in shipped.glob("*.yaml"))
    hint = did_you_mean(path.name, names)
    raise ConfigError(f"{path}: no such file, and no sweep of that name comes with evalharness{hint}")


def load(file: str | Path, override: Override = unchanged) -> Sweep:
    """Read and check a sweep file.

    Args:
        file: Path or name, see :func:`find`.
        override: Applied to the contents of the file before its entries are checked.

    Raises:
        ConfigError: The file is missing or invalid; the message starts with ``file:line:column`` of the mistake.
    """
    sweep = parse(yaml.read(find(file)), override)
    # In the file as it stands: the executor's settings may name models of arms that are left out later.
    sweep.executor.build().check(sweep)
    return sweep


def parse(document: Document, override: Override = unchanged) -> Sweep:
    """Check a document that was read from YAML, or from JSON that :meth:`Sweep.resolved` returned."""
    top = override(validate(SweepFile, document, ()))
    models = plugin_expansion.models(document, top)
    arms = tuple(expand_arms(document, top, models))
    baseline = _baseline(document, top, arms)
    settings = {arm.name: arm.variant.model_dump(mode="json") for arm in arms}
    return Sweep(
        name=top.name,
        description=top.description,
        seed=top.seed,
        models={alias: spec for alias, spec in models.specs.items() if any(arm.model == alias for arm in arms)},
        benchmarks=plugin_expansion.benchmarks(document, top),
        arms=arms,
        baseline=baseline,
        executor=plugin_spec(document, "executors", top.executor, ("executor",)),
        analysis=resolve_analysis(document, top.analysis, settings, baseline, {arm.name: arm.model for arm in arms}),
        literature=literature.resolve(document, top.literature),
        failures=top.failures,
        shard=_shard(document, top),
    )


def _shard(document: Document, top: SweepFile) -> Shard | None:
    try:
        return None if top.shard is None else Shard.parse(top.shard)
    except ConfigError as error:
        raise document.error(str(error), "shard") from None


def _baseline(document: Document, top: SweepFile, arms: tuple[Arm, ...]) -> str:
    names = [arm.name for arm in arms]
    if top.baseline is None:
        return names[0]
    if top.baseline not in names:
        raise document.error(f"no arm is called {top.baseline!r}{did_you_mean(top.baseline, names)}", "baseline")
    return top.baseline
