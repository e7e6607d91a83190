"""The trajectories of a store: rows with their steps as JSON, whose images are digests."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from evalharness._util.hashing import digest
from evalharness.store.database import Database, storable
from evalharness.store.environments import StoredEnvironments
from evalharness.store.failures import forget
from evalharness.store.images import StoredImages
from evalharness.store.rows import checked, checked_origin, parse_json, parse_mapping
from evalharness.types.origin import Stretch
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Cost, Step, Trajectory, prefix

if TYPE_CHECKING:
    from evalharness.store.trajectory_columns import TrajectoryColumns

StoredStretch = tuple[int, str | None, int | None]
"""A :class:`Stretch` whose environment is a digest: end, environment, time."""


@dataclass(frozen=True, slots=True)
class StoredStep:
    """A :class:`Step` whose image is a digest."""

    kind: str
    iteration: int
    text: str
    image: str | None
    seed: int | None
    evaluations: int
    tokens: int
    seconds: float
    dollars: float = 0.0
    continued: bool = False
    parts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The costs of the model's parts as JSON, if it has several."""
    texts: Sequence[str] = ()
    cut: bool = False
    transparent: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The step as JSON. The last five fields are left out where they say nothing, as in rows of before."""
        values = {name: getattr(self, name) for name in self.__slots__}
        for name in ("continued", "parts", "texts", "cut", "transparent"):
            if not values[name]:
                del values[name]
        return values


@dataclass(frozen=True, slots=True)
class StoredTrajectory:
    """A :class:`Trajectory` whose images are digests.

    ``cap`` is the iteration cap under which it was drawn, ``environment`` the digest of where, ``made`` the time;
    the last two are ``None`` where they were not recorded. ``earlier`` has the stretches of steps that were made in
    other environments before: how many steps there are up to its end, the digest, the time.
    """

    steps: tuple[StoredStep, ...]
    finished: bool
    cap: int | None
    environment: str | None = None
    made: int | None = None
    earlier: tuple[StoredStretch, ...] = ()

    def covers(self, cap: int | None) -> bool:
        """Whether a run capped at ``cap`` is a prefix of this one."""
        return self.finished or self.cap is None or (cap is not None and cap <= self.cap)

    def places(self, steps: int) -> tuple[StoredStretch, ...]:
        """The stretches that the first ``steps`` steps are of, in their order."""
        last = next((number for number, (end, *_) in enumerate(self.earlier) if end >= steps), len(self.earlier))
        return (*self.earlier, (steps, self.environment, self.made))[: last + 1]

    def prefix(self, cap: int | None) -> tuple[StoredStep, ...]:
        """Return the steps of a run capped at ``cap``."""
        return prefix(self.steps, cap)


SELECT = "SELECT key, steps, finished, cap, environment, made, earlier FROM trajectories"


class StoredTrajectories:
    """The table ``trajectories``."""

    def __init__(self, database: Database, images: StoredImages, environments: StoredEnvironments) -> None:
        self._database, self._images, self._environments = database, images, environments

    def get(self, keys: Iterable[str]) -> dict[str, StoredTrajectory]:
        """Return the stored ones among ``keys``."""
        with self._database.guarded():
            return {
                row["key"]: _parsed(
                    _parse_steps(row["steps"]),
                    *(row[name] for name in ("finished", "cap", "environment", "made", "earlier")),
                )
                for row in self._database.select(SELECT, keys)
            }

    def stretches(self, trajectory: StoredTrajectory) -> tuple[Stretch, ...]:
        """Where all steps of a stored trajectory were made, stretch after stretch."""
        return self._stretches(trajectory.places(len(trajectory.steps)))

    def _stretches(self, places: Iterable[StoredStretch]) -> tuple[Stretch, ...]:
        with self._database.guarded():
            return tuple(Stretch(end, self._environments.origin(name, made)) for end, name, made in places)

    def columns(
        self, keys: Sequence[str], size: int = 4000
    ) -> Iterator[tuple[dict[str, StoredTrajectory], TrajectoryColumns]]:
        """Do the same as :meth:`get`, ``size`` trajectories at a time, without an object for each step.

        Best with sorted keys, which are read in the order of the file.

        Yields:
            Trajectories by key with their steps left out, and the steps of these trajectories, in that order, as
            columns.
        """
        from evalharness.store.trajectory_columns import TrajectoryColumns

        for start in range(0, len(keys), size):
            rows = list(self._database.select_tuples(SELECT, keys[start : start + size]))
            with self._database.guarded():
                columns = TrajectoryColumns([steps for _, steps, *_ in rows])
                trajectories = {key: _parsed((), *rest) for key, _, *rest in rows}
            yield trajectories, columns

    def all(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give every key with its trajectory as JSON.

        Its fields are ``model`` (digest), ``variant``, ``prompt``, ``seed``, ``cap``, ``finished``, ``origin`` (an
        :class:`Origin` or ``None``), ``earlier`` (each a :class:`Stretch`) and ``steps``, whose images are digests.
        """
        return self._database.scan("SELECT * FROM trajectories ORDER BY key", self._parse_row)

    def totals(self, model: str) -> dict[str, tuple[int, int, float, float]]:
        """Sum up all trajectories of a model (digest of its identity).

        Returns:
            Variant (JSON) → number of trajectories, their iterations, seconds and dollars.
        """
        select = "SELECT variant, COUNT(*), SUM(iterations), TOTAL(seconds), TOTAL(dollars) FROM trajectories"
        with self._database.guarded() as connection:
            rows = connection.execute(f"{select} WHERE model = ? GROUP BY variant ORDER BY MIN(key)", (model,))
            return {
                str(variant): checked(tuple[int, int, float, float], tuple(totals), "the totals of a model")
                for variant, *totals in rows
            }

    def environments(self, models: Iterable[str]) -> list[dict[str, Any]]:
        """Return the environments in which models (digests of their identities) drew."""
        drawn_in: set[str] = set()
        with self._database.guarded() as connection:
            for model in models:
                select = "SELECT DISTINCT environment FROM trajectories WHERE model = ?"
                drawn_in.update(row["environment"] for row in connection.execute(select, (model,)))
        return [info for name, info in self._environments.all().items() if name in drawn_in]

    def spent(self, model: str) -> Spent:
        """Return what all trajectories of a model (digest of its identity) cost."""
        with self._database.guarded() as connection:
            rows = connection.execute("SELECT dollars FROM trajectories WHERE model = ?", (model,))
            costs = [checked(float, row["dollars"], "a cost") for row in rows]
        return Spent(len(costs), math.fsum(costs))

    def spent_by_part(self, model: str) -> dict[str, Spent]:
        """Return what the parts of a model (digest of its identity) cost; a step is one call of each of its parts."""
        costs: dict[str, list[float]] = {}
        with self._database.guarded() as connection:
            rows = connection.execute("SELECT steps FROM trajectories WHERE model = ?", (model,))
            for step in (step for row in rows for step in _parse_steps(row["steps"])):
                for part, cost in step.parts.items():
                    costs.setdefault(part, []).append(cost["dollars"])
        return {part: Spent(len(dollars), math.fsum(dollars)) for part, dollars in costs.items()}

    def image_digests(self, keys: Iterable[str]) -> Iterator[str]:
        """Give the digests of all images of trajectories, some more than once."""
        for row in self._database.select("SELECT steps FROM trajectories", keys):
            with self._database.guarded():
                images = [step.image for step in _parse_steps(row["steps"])]
            yield from (image for image in images if image is not None)

    def complete(self, caps: Mapping[str, int | None]) -> set[str]:
        """Return those among these keys whose trajectory covers its cap."""
        rows = self._database.select_tuples("SELECT key, finished, cap FROM trajectories", sorted(caps))
        return {key for key, finished, cap in rows if StoredTrajectory((), bool(finished), cap).covers(caps[key])}

    def some_images(self, model: str, count: int) -> list[str]:
        """Return the digests of the images of ``count`` trajectories of a model (digest of its identity)."""
        with self._database.guarded() as connection:
            rows = connection.execute("SELECT steps FROM trajectories WHERE model = ? LIMIT ?", (model, count))
            steps = [step for row in rows for step in _parse_steps(row["steps"])]
        return list(dict.fromkeys(step.image for step in steps if step.image is not None))

    def with_images(self, steps: Iterable[StoredStep]) -> tuple[Step, ...]:
        """Load the images of steps.

        Raises:
            DamagedImageError: an image is damaged or missing.
        """
        loaded = []
        for step in steps:
            image = None if step.image is None else self._images.read(step.image)
            parts = {name: Cost.from_dict(cost) for name, cost in step.parts.items()}
            cost = Cost(step.evaluations, step.tokens, step.seconds, step.dollars, parts)
            loaded.append(
                Step(
                    kind=step.kind,
                    iteration=step.iteration,
                    text=step.text,
                    image=image,
                    seed=step.seed,
                    cost=cost,
                    continued=step.continued,
                    texts=tuple(step.texts),
                    cut=step.cut,
                    transparent=step.transparent,
                )
            )
        return tuple(loaded)

    def add(
        self, key: str, trajectory: Trajectory, *, model: str, variant: str, prompt: str, seed: int, cap: int | None
    ) -> None:
        """Write the images, then the row. Inside a batch.

        It replaces a failure of that key, unless that was with a larger cap.
        """
        with self._database.guarded() as connection:
            steps = json.dumps([self._store_step(step).as_dict() for step in trajectory.steps])
            connection.execute(
                "INSERT OR REPLACE INTO trajectories VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(key, model, variant, storable(prompt), seed, cap, trajectory.finished),
                    *self._environments.add(trajectory.origin),
                    max(1, trajectory.iterations),
                    math.fsum(step.cost.seconds for step in trajectory.steps),
                    math.fsum(step.cost.dollars for step in trajectory.steps),
                    steps,
                    json.dumps([[part.end, *self._environments.add(part.origin)] for part in trajectory.earlier]),
                ),
            )
            forget(self._database, key, None if trajectory.finished else cap)

    def rename_model(self, former: str, present: str, default_format: str | None = None) -> int:
        """Give the trajectories of a model's former identity the keys of its present one (digests of both).

        A trajectory whose key depends on more than model, variant, prompt and seed stays as it is, as does one that
        exists under both keys.

        Args:
            former: Digest of the former identity; it may be the present one.
            present: Digest of the present identity.
            default_format: The format that keys do not name; formerly, they did if the sweep file did.

        Returns:
            The number of trajectories that have a new key.
        """
        new_keys: dict[str, str] = {}
        with self._database.batch() as connection:
            rows = connection.execute(
                "SELECT key, variant, prompt, seed FROM trajectories WHERE model = ?", (former,)
            ).fetchall()
            for key, variant, prompt, seed in rows:
                settings = parse_mapping(variant)
                unnamed = settings | {"format": None} if settings.get("format") == default_format else settings
                known = [digest(["trajectory", former, named, prompt, seed]) for named in (settings, unnamed)]
                new = digest(["trajectory", present, unnamed, prompt, seed])
                if key in known and key != new:
                    new_keys[key] = new
            renamed = connection.executemany(
                "UPDATE OR IGNORE trajectories SET key = ?, model = ? WHERE key = ?",
                [(new, present, old) for old, new in new_keys.items()],
            )
        return max(renamed.rowcount, 0)

    def delete(self, keys: Iterable[str]) -> None:
        with self._database.batch() as connection:
            connection.executemany("DELETE FROM trajectories WHERE key = ?", [(key,) for key in keys])

    def _parse_row(self, row: sqlite3.Row) -> tuple[str, dict[str, Any]]:
        trajectory: dict[str, Any] = {name: checked(str, row[name], name) for name in ("model", "prompt")}
        trajectory |= {"seed": checked(int, row["seed"], "a seed"), "cap": _checked_cap(row["cap"])}
        trajectory |= {"variant": parse_mapping(row["variant"]), "finished": bool(row["finished"])}
        trajectory["origin"] = self._environments.origin(row["environment"], row["made"])
        trajectory["earlier"] = self._stretches(_parse_earlier(row["earlier"]))
        trajectory["steps"] = [step.as_dict() for step in _parse_steps(row["steps"])]
        return str(row["key"]), trajectory

    def _store_step(self, step: Step) -> StoredStep:
        image = None if step.image is None else self._images.add(step.image)
        cost = step.cost
        return StoredStep(
            kind=step.kind,
            iteration=step.iteration,
            text=storable(step.text),
            image=image,
            seed=step.seed,
            evaluations=cost.evaluations,
            tokens=cost.tokens,
            seconds=cost.seconds,
            dollars=cost.dollars,
            continued=step.continued,
            parts=cost.as_dict().get("parts", {}),
            texts=tuple(map(storable, step.texts)),
            cut=step.cut,
            transparent=step.transparent,
        )


def _parsed(
    steps: tuple[StoredStep, ...], finished: Any, cap: Any, environment: Any, made: Any, earlier: str
) -> StoredTrajectory:
    checked_origin(environment, made)
    return StoredTrajectory(steps, bool(finished), _checked_cap(cap), environment, made, _parse_earlier(earlier))


def _checked_cap(cap: Any) -> int | None:
    if cap is None or (type(cap) is int and cap >= 0):
        return cap
    raise sqlite3.DatabaseError(f"an iteration cap is {cap!r}")


def _parse_earlier(text: str) -> tuple[StoredStretch, ...]:
    if text == "[]":
        return ()
    stretches = tuple(checked(list[StoredStretch], parse_json(text), "the stretches of a trajectory"))
    for _, environment, made in stretches:
        checked_origin(environment, made)
    return stretches


def _parse_steps(text: str) -> tuple[StoredStep, ...]:
    steps = checked(list[StoredStep], parse_json(text), "the steps of a trajectory")
    return tuple(replace(step, parts=_parse_parts(step.parts)) if step.parts else step for step in steps)


def _parse_parts(parts: Mapping[str, Any]) -> dict[str, Any]:
    costs = checked(dict[str, Cost], parts, "the costs of the parts of a model")
    return {name: cost.as_dict() for name, cost in costs.items()}
