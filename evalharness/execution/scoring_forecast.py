"""Forecasts how many images a run scores, how often it asks judges, and how long that takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalharness._util.progress import duration
from evalharness._util.text import counted
from evalharness.api.benchmark import JudgeScorer, Scorer
from evalharness.planning.plan import Job, Plan
from evalharness.store.states import SampleState, rescore_states
from evalharness.store.store import Store

CountSearched = Callable[[Plan, Store, Collection[Job]], Mapping[str, int]]
"""Tells how many intermediate images a run scores at most once these jobs are drawn, by benchmark."""


@dataclass(frozen=True, slots=True)
class ScoringForecast:
    """What one scorer has to do.

    Attributes:
        benchmark: Name of the benchmark.
        rescoring: Name of the rescoring; empty for the benchmark's own scores.
        images: Number of images to score, at most, if nothing fails.
        intermediate: Number of images that no sample ends in, at most.
        most_replies: Replies that a judge is asked for about an image, at most; 0 if no judge is asked.
        timed: Number of stored scores of the same scorer that were timed.
        seconds_each: Their mean.
    """

    benchmark: str
    rescoring: str
    images: int
    intermediate: int
    most_replies: int
    timed: int
    seconds_each: float

    @property
    def seconds(self) -> float:
        return (self.images + self.intermediate) * self.seconds_each

    @property
    def calls(self) -> int:
        """Calls of the judge, at most. What an endpoint does not answer at all is asked again, and not counted."""
        return self.images * self.most_replies


def scoring_forecasts(
    plan: Plan,
    store: Store,
    states: Sequence[SampleState],
    retry: Collection[str],
    intermediate: Mapping[str, int],
) -> list[ScoringForecast]:
    """Forecast the work of each scorer, then that of each rescoring, benchmark by benchmark.

    Args:
        retry: Keys of failures that are tried again.
        intermediate: How many intermediate images are scored, by benchmark.
    """
    forecasts = []
    for name, planned in plan.benchmarks.items():
        members = [state for state in states if state.sample.benchmark == name]
        unscored = [state for state in members if _lacks_score(state, retry)]
        known = {state.score_key for state in unscored if state.image is not None}
        images = len(known) + sum(state.image is None for state in unscored)
        more = intermediate.get(name, 0)
        forecasts.append(_forecast(store, name, "", planned.benchmark.scorer(), planned.scorer_digest, images, more))
        missing = {
            rescore.key: rescore.rescoring.name
            for rescore in rescore_states(plan, store, members)
            if rescore.score is None and (rescore.failure is None or rescore.key in retry)
        }
        scorers = {rescoring.name: rescoring.scorer for rescoring in planned.benchmark.rescorings()}
        for rescoring in planned.rescorings:
            images = sum(rescored == rescoring.name for rescored in missing.values())
            images += sum(state.sample.item.id in rescoring.items for state in unscored)
            scorer = scorers[rescoring.name]
            forecasts.append(_forecast(store, name, rescoring.name, scorer, rescoring.scorer_digest, images, 0))
    return forecasts


def describe(forecasts: Iterable[ScoringForecast]) -> Iterator[str]:
    """A line for each scorer, then the total time."""
    forecasts = list(forecasts)
    for forecast in forecasts:
        verb = "to be judged" if forecast.most_replies else "to score"
        purpose = f", check {forecast.rescoring}" if forecast.rescoring else ""
        line = f"images {verb} for {forecast.benchmark}{purpose}: at most {forecast.images}"
        if forecast.intermediate:
            line += f", and {forecast.intermediate} intermediate ones for examples"
        if forecast.most_replies > 1:
            line += f", by at most {counted(forecast.calls, 'call')} of the judge"
        if forecast.timed and forecast.seconds:
            line += f"; {forecast.seconds_each:.3g} s each = {duration(forecast.seconds)} ({_source(forecast)})"
        yield line
    due = [forecast for forecast in forecasts if forecast.images + forecast.intermediate]
    unknown = sum(forecast.images + forecast.intermediate for forecast in due if not forecast.timed)
    seconds = sum(forecast.seconds for forecast in due)
    if not due:
        yield "expected time to score: nothing"
    elif unknown:
        rest = f", about {duration(seconds)} for the others" if seconds else ""
        images = counted(unknown, "image")
        yield f"expected time to score: unknown for {images}{rest}; no such score was timed in the store"
    else:
        yield f"expected time to score: about {duration(seconds)}, if scores take as long as those measured"


def _source(forecast: ScoringForecast) -> str:
    return f"measured, {forecast.timed} in the store"


def _forecast(
    store: Store,
    benchmark: str,
    rescoring: str,
    scorer: Scorer | JudgeScorer,
    identity: str,
    images: int,
    intermediate: int,
) -> ScoringForecast:
    replies = scorer.most_replies if isinstance(scorer, JudgeScorer) else 0
    timed, seconds_each = store.scores.mean_seconds(identity)
    return ScoringForecast(benchmark, rescoring, images, intermediate, replies, timed, seconds_each)


def _lacks_score(state: SampleState, retry: Collection[str]) -> bool:
    """Whether a run would score the image of a sample, unless it has another's bytes."""
    retried = state.state == "failed" and (state.sample.job in retry or state.score_key in retry)
    return retried or state.state in ("pending", "generated")
