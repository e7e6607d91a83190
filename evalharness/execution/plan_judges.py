"""The judges of a plan with their identities."""

from __future__ import annotations

from collections.abc import Iterator

from evalharness._util.hashing import digest
from evalharness.api.benchmark import JudgeScorer
from evalharness.api.judge import Judge
from evalharness.api.plugin import versioned_identity
from evalharness.errors import WeightsError
from evalharness.planning.plan import Plan


def judges_with_weights(plan: Plan) -> Iterator[tuple[str, Judge, str]]:
    """Each benchmark's name with each of its judges and the digest of the judge's identity.

    A judge whose weights are missing is left out: the plan is only drawn, and nothing of such a judge is in the store
    that could be found by its identity.
    """
    for name, planned in plan.benchmarks.items():
        scorer = planned.benchmark.scorer()
        for judge in scorer.judges if isinstance(scorer, JudgeScorer) else ():
            try:
                identity = versioned_identity(judge.identity(), judge)
            except WeightsError:
                continue
            yield name, judge, digest(identity)
