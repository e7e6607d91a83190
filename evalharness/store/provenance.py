"""In which environments the samples of a run were drawn and scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from evalharness.planning.plan import Sample
from evalharness.store.places import ABSENT
from evalharness.store.store import Store

if TYPE_CHECKING:
    from evalharness.store.sample_columns import SampleColumns

Environments = list[dict[str, Any]]


def environments(store: Store, columns: SampleColumns) -> Environments:
    """The environments of some samples, those of most drawings first.

    Returns:
        For each the keys of ``evalharness._util.environment.described``, with ``id``, the numbers of samples ``drawn``
        and ``scored`` there ({benchmark: {arm: number}}), and the times of the ``first`` and the ``last`` of them.
        A sample is drawn where the last step of its arm was made; it counts as ``begun`` where others were.
        Results of earlier versions do not say where they were made: for these, ``id`` is ``None``, with the numbers.
    """
    known = store.environments.all()
    used: dict[str | None, dict[str, Any]] = {}

    def entry_of(name: str | None) -> dict[str, Any]:
        return used.setdefault(name, {"id": name, **known.get(name or "", {}), "drawn": {}, "begun": {}, "scored": {}})

    for stage, places in (("drawn", columns.drawn), ("scored", columns.judged)):
        for number in sorted(set(places.numbers.tolist()) - {ABSENT}):
            here = np.flatnonzero(places.numbers == number).tolist()
            times = places.made[here].tolist() if number >= 0 else []
            _add(entry_of(places.names[number] if number >= 0 else None), stage, columns, here, times)
    for place, name, made in columns.begun:
        _add(entry_of(name), "begun", columns, [place], [] if made is None else [made])
    for entry in used.values():
        if times := entry.pop("times", None):
            entry["first"], entry["last"] = (_time(extreme(times)) for extreme in (min, max))
    return sorted(used.values(), key=lambda entry: (entry["id"] is None, -count(entry, "drawn"), str(entry["id"])))


def continued(columns: SampleColumns) -> dict[str, Any]:
    """How many trajectories were continued from stored steps, and samples of each arm ({benchmark: {arm: number}})."""
    samples = [columns.samples[place] for place in np.flatnonzero(columns.continued).tolist()]
    return {"trajectories": len({sample.job for sample in samples}), "samples": _by_arm(samples)}


def cut(columns: SampleColumns) -> dict[str, dict[str, int]]:
    """How many samples of each arm have a text that ended at its limit of tokens: {benchmark: {arm: number}}."""
    return _by_arm(columns.samples[place] for place in np.flatnonzero(columns.cut).tolist())


def _by_arm(samples: Iterable[Sample]) -> dict[str, dict[str, int]]:
    numbers: dict[str, dict[str, int]] = {}
    for (benchmark, arm), number in Counter((sample.benchmark, sample.arm.name) for sample in samples).items():
        numbers.setdefault(benchmark, {})[arm] = number
    return numbers


def count(entry: Mapping[str, Any], stage: str) -> int:
    """How many samples were ``drawn``, ``begun`` or ``scored`` in an environment."""
    return sum(sum(arms.values()) for arms in entry[stage].values())


def circumstances(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Hardware, versions and commit of all environments together, where they were recorded."""
    recorded = [entry for entry in entries if entry["id"] is not None]
    if not recorded:
        return {}
    names = dict.fromkeys(name for entry in recorded for name in entry.get("versions", ()))
    return {
        "hardware": _joined(entry.get("hardware") for entry in recorded),
        "versions": {name: _joined(entry.get("versions", {}).get(name) for entry in recorded) for name in names},
        "git_commit": _joined(entry.get("git_commit") for entry in recorded) or None,
    }


def _add(
    entry: dict[str, Any], stage: str, columns: SampleColumns, places: Iterable[int], times: Sequence[int]
) -> None:
    samples = (columns.samples[place] for place in places)
    for (benchmark, arm), number in Counter((sample.benchmark, sample.arm.name) for sample in samples).items():
        numbers = entry[stage].setdefault(benchmark, {})
        numbers[arm] = numbers.get(arm, 0) + number
    if times:
        entry.setdefault("times", []).extend([min(times), max(times)])


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _joined(values: Iterable[str | None]) -> str:
    return " / ".join(dict.fromkeys(value for value in values if value))
