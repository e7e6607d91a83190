"""Several runs as one, in which arms have the letters of their runs, for pages that lay their pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.analysis.arms import families
from evalharness.analysis.comparison import Compared, Comparison
from evalharness.analysis.letters import labelled
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

CASE = ["benchmark", "item", "prompt", "seed"]


def joined_runs(runs: Sequence[Results], comparison: Comparison, name: str) -> Results:
    """The samples of all compared arms that have a partner in another run: the same benchmark, prompt and seed.

    Where two runs share prompts but no seed, partners have the same prompt and place among its seeds. Trajectories are
    left out.
    """
    import pandas as pd

    compared = compared_arms(comparison)
    parts = []
    for number, run in enumerate(runs):
        samples = run.samples[run.samples["arm"].isin(compared.get(number, ()))]
        samples = samples if number == 0 else _with_seeds_of(runs[0].samples, samples)
        keys = samples["score_key"].map(lambda key, number=number: f"{number}/{key}", na_action="ignore")
        labels = labelled(number, "") + samples["arm"]
        parts.append(samples.assign(arm=labels, score_key=keys, trajectory=None, _run=number))
    arms = pd.concat([_arms(runs[number], number, arm) for number, arm in ordered_arms(comparison)])
    arms = arms.assign(baseline=[place == 0 for place in range(len(arms))]).reset_index(drop=True)
    return Results(
        info=_info(runs, compared, name),
        arms=arms,
        samples=_paired(pd.concat(parts, ignore_index=True)),
        steps=lambda key: [],
        details=lambda key: runs[int(key.partition("/")[0])].details(key.partition("/")[2]),
        image_path=lambda digest: _image_path(runs, digest),
    )


def ordered_arms(comparison: Comparison) -> list[tuple[int, str]]:
    """The compared arms with their runs: each arm of the first run, followed by its partners in the others."""
    partners: dict[str, list[tuple[int, str]]] = {}
    for pair in comparison.compared:
        partners.setdefault(pair.arms[0], []).append((pair.runs[1], pair.arms[1]))
    return list(dict.fromkeys(place for first, others in partners.items() for place in [(0, first), *others]))


def leading_pairs(runs: Sequence[Results], comparison: Comparison) -> list[Compared]:
    """The compared pairs, those of an arm together; arms of the first run with the highest cap of their kind lead."""
    leads = {family.arms[-1] for family in families(runs[0].arms)}
    places = {arm: place for place, arm in enumerate(dict.fromkeys(pair.arms[0] for pair in comparison.compared))}
    return sorted(comparison.compared, key=lambda pair: (pair.arms[0] not in leads, places[pair.arms[0]]))


def compared_arms(comparison: Comparison) -> dict[int, list[str]]:
    """The arms of each run, by its place, that are compared with another."""
    arms: dict[int, dict[str, None]] = {}
    for pair in comparison.compared:
        for run, arm in zip(pair.runs, pair.arms, strict=True):
            arms.setdefault(run, {})[arm] = None
    return {run: list(names) for run, names in arms.items()}


def _with_seeds_of(first: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Samples of another run; of a benchmark on which it has no seed of the first, with the seeds of that."""
    shared = samples[CASE].merge(first[CASE].drop_duplicates(), on=CASE)["benchmark"].unique()
    others = ~samples["benchmark"].isin(shared)
    if not others.any():
        return samples
    places = ["benchmark", "item", "seed_index"]
    seeds = first.drop_duplicates(places).set_index(places)["seed"]
    wanted = [seeds.get(tuple(place), seed) for *place, seed in samples[[*places, "seed"]].itertuples(index=False)]
    return samples.assign(seed=samples["seed"].where(~others, wanted))


def _paired(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples of cases that several runs have; a seed has the same index in all, other words are another item."""
    wordings = samples[["benchmark", "item", "prompt"]].drop_duplicates()
    wordings["_wording"] = wordings.groupby(["benchmark", "item"]).cumcount()
    cases = samples[CASE].drop_duplicates()
    cases["_index"] = cases.groupby(CASE[:3]).cumcount()
    runs = samples.groupby(CASE)["_run"].nunique().rename("_runs").reset_index()
    merged = samples.merge(wordings).merge(cases).merge(runs)
    merged = merged[merged["_runs"] > 1]
    other = merged["item"] + " (wording " + (merged["_wording"] + 1).astype(str) + ")"
    items = merged["item"].where(merged["_wording"] == 0, other)
    merged = merged.assign(item=items, seed_index=merged["_index"])
    return merged.drop(columns=["_run", "_runs", "_index", "_wording"]).reset_index(drop=True)


def _arms(run: Results, number: int, name: str) -> pd.DataFrame:
    arms = run.arms[run.arms["arm"] == name]
    return arms.assign(arm=labelled(number, "") + arms["arm"], model=labelled(number, "") + arms["model"])


def _info(runs: Sequence[Results], compared: Mapping[int, Sequence[str]], name: str) -> dict[str, Any]:
    benchmarks: dict[str, Any] = {}
    for run in runs:
        benchmarks = {**run.info["benchmarks"], **benchmarks}
    return {"name": name, "benchmarks": benchmarks, "environments": _environments(runs, compared)}


def _environments(runs: Sequence[Results], compared: Mapping[int, Sequence[str]]) -> list[dict[str, Any]]:
    """The environments of all runs, each once, with the numbers of samples of the compared arms."""
    entries: dict[Any, dict[str, Any]] = {}
    for number, run in enumerate(runs):
        for entry in run.info.get("environments", ()):
            known = entries.setdefault(entry["id"], {**entry, "drawn": {}, "begun": {}, "scored": {}})
            for stage in ("drawn", "begun", "scored"):
                for benchmark, arms in entry[stage].items():
                    counts = {
                        labelled(number, arm): count for arm, count in arms.items() if arm in compared.get(number, ())
                    }
                    known[stage].setdefault(benchmark, {}).update(counts)
    return list(entries.values())


def _image_path(runs: Sequence[Results], digest: str) -> Path:
    """The file of an image in the first store that has it."""
    paths = [run.image_path(digest) for run in runs]
    return next((path for path in paths if path.is_file()), paths[0])
