"""Makes the queues of a run, and the remote workers of those queues that no executor serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from evalharness._util.hashing import digest
from evalharness.api.benchmark import JudgeScorer, Scorer
from evalharness.api.model import RemoteImageModel
from evalharness.execution.continuing import ContinuingDrawQueue
from evalharness.execution.draw_queue import DrawQueue
from evalharness.execution.rates import expected_seconds, measured_rates
from evalharness.execution.remote import RemoteJudge, RemoteModel
from evalharness.execution.score_queue import ScoreQueue
from evalharness.execution.workers import PluginWorkerSpec
from evalharness.planning.plan import Job, Plan
from evalharness.store.store import Store

JUDGE_BATCH = 8
"""Batch size of judges that run in a worker."""


def draw_queues(plan: Plan, store: Store, jobs: Collection[Job]) -> Iterator[tuple[DrawQueue, RemoteModel | None]]:
    """A queue for each model that has jobs, with the remote model behind it, if it is one."""
    if not jobs:
        return
    measured = measured_rates(plan, store)
    jobs_of_models: dict[str, list[Job]] = {alias: [] for alias in plan.models}
    for job in jobs:
        jobs_of_models[job.model].append(job)
    for alias, model_jobs in jobs_of_models.items():
        if not model_jobs:
            continue
        spec = plan.sweep.models[alias]
        model = spec.build()
        remote, batch_size = None, 1
        if isinstance(model, RemoteImageModel):
            remote = RemoteModel(model, digest(dict(plan.models[alias])), store, spec.label)
        else:
            batch_size = model.batch_size
        spent = store.trajectories.spent_by_part(digest(dict(plan.models[alias]))) if model.one_worker else {}
        worker_spec = PluginWorkerSpec(spec, planned=plan.models[alias], spent=spent)
        cost = partial(expected_seconds, model=model, measured=measured)
        yield ContinuingDrawQueue(alias, worker_spec, plan, store, model_jobs, batch_size, cost), remote


def score_queues(plan: Plan, store: Store) -> Iterator[tuple[ScoreQueue, RemoteJudge | None]]:
    """The queues of all scorers, then those of all rescorings, each with the remote judge behind it, if it has one."""
    scorers = [(name, None, planned.benchmark.scorer()) for name, planned in plan.benchmarks.items()]
    rescorings = [(name, each) for name, planned in plan.benchmarks.items() for each in planned.benchmark.rescorings()]
    same_judge: defaultdict[str, list[ScoreQueue]] = defaultdict(list)
    for name, rescoring, scorer in [*scorers, *((name, each.name, each.scorer) for name, each in rescorings)]:
        queue, remote = _score_queue(plan, store, name, scorer, rescoring)
        if isinstance(scorer, JudgeScorer):
            queue.same_judge = same_judge[_asked(plan.benchmarks[name].scorer_of(rescoring))]
            queue.same_judge.append(queue)
        yield queue, remote


def _asked(identity: Mapping[str, Any]) -> str:
    """What of a scorer's identity tells whether its judge is asked the same: judge, rubric, length and repetition."""
    return digest([identity.get(key) for key in ("judge", "rubric", "max_tokens", "repeat")])


def intermediate_queue(plan: Plan, store: Store, benchmark: str) -> ScoreQueue:
    """A queue for intermediate images, which are scored like final ones."""
    scorer = plan.benchmarks[benchmark].benchmark.scorer()
    queue, _ = _score_queue(plan, store, benchmark, scorer, intermediate=True)
    return queue


def _score_queue(
    plan: Plan,
    store: Store,
    benchmark: str,
    scorer: Scorer | JudgeScorer,
    rescoring: str | None = None,
    *,
    intermediate: bool = False,
) -> tuple[ScoreQueue, RemoteJudge | None]:
    plugin = next(spec.plugin for spec in plan.sweep.benchmarks if spec.name == benchmark)
    identity = plan.benchmarks[benchmark].scorer_of(rescoring)
    remote, judged, batch_size = None, isinstance(scorer, JudgeScorer), JUDGE_BATCH
    if not isinstance(scorer, JudgeScorer):
        batch_size = scorer.batch_size
    elif not scorer.in_process:
        remote = RemoteJudge(scorer, identity, store, plugin.label)
    queue = ScoreQueue(
        benchmark,
        PluginWorkerSpec(plugin, rescoring, identity),
        store,
        batch_size,
        rescoring=rescoring or "",
        intermediate=intermediate,
        with_replies=judged,
        item_fields=scorer.item_fields,
    )
    return queue, remote
