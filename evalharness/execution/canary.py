"""The first samples of a run: one of each arm and benchmark is drawn and scored before all others.

What is wrong with a model, a scorer or a judge then shows within minutes, and not after the last drawing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evalharness._util.text import counted
from evalharness.planning.plan import Plan, Sample
from evalharness.store.states import SampleState, sample_states
from evalharness.store.store import Store

TRIES = 3
"""Number of samples of an arm that are tried until one of them goes through."""

Pair = tuple[str, str]
"""Names of an arm and of a benchmark."""


@dataclass(frozen=True, slots=True)
class CheckedArm:
    """What became of the first samples of an arm on a benchmark.

    Attributes:
        passed: Whether one of them went through.
        reasons: Why they failed, in the order of the tries; empty if ``passed``.
    """

    arm: str
    benchmark: str
    passed: bool
    reasons: tuple[str, ...]

    @property
    def line(self) -> str:
        name = f"{self.arm} on {self.benchmark}"
        if self.passed:
            return f"{name}: a sample went through"
        if not self.reasons:
            return f"{name}: no sample went through"
        return f"{name}: the first {counted(len(self.reasons), 'sample')} failed, the last: {self.reasons[-1]}"


@dataclass(slots=True)
class _Candidate:
    sample: Sample
    key: str
    """Key of the job or score that it waits for."""
    rank: tuple[bool, int]


@dataclass
class Canary:
    """Chooses the first samples, and judges what became of them.

    Attributes:
        scoring: Whether a sample has to be scored to go through, or only drawn.
        ended: Whether all other samples may follow.
    """

    plan: Plan
    store: Store
    scoring: bool
    ended: bool = False
    _candidates: dict[Pair, list[_Candidate]] = field(default_factory=lambda: defaultdict(list))
    _tried: dict[Pair, int] = field(default_factory=dict)
    _passed: dict[Pair, bool] = field(default_factory=dict)

    def add(self, sample: Sample, key: str, *, drawn: bool) -> None:
        """Consider a sample that waits for the job or score of this key.

        A sample that is not drawn yet is preferred, because it tests more, and one that will be rescored.
        """
        rescorings = self.plan.benchmarks[sample.benchmark].rescorings
        rescored = sum(sample.item.id in rescoring.items for rescoring in rescorings)
        candidates = self._candidates[sample.arm.name, sample.benchmark]
        candidates.append(_Candidate(sample, key, (drawn, -rescored)))
        if len(candidates) > TRIES:
            candidates.sort(key=lambda candidate: candidate.rank)
            candidates.pop()

    def first_keys(self) -> set[str]:
        """The keys of the jobs and scores of the first samples."""
        for candidates in self._candidates.values():
            candidates.sort(key=lambda candidate: candidate.rank)
        return self._next_keys(self._candidates)

    def next_keys(self, stopped: Iterable[str]) -> set[str]:
        """Look what became of the samples so far; return the keys of those to try next, none if it has ended.

        Args:
            stopped: Models and benchmarks whose work a budget ended.
        """
        through = {"scored"} if self.scoring else {"scored", "generated"}
        stops = set(stopped)
        retried = []
        for pair, tried in self._tried.items():
            if self._passed[pair]:
                continue
            states = self._states(pair)
            self._passed[pair] = any(state.state in through for state in states)
            stopped_here = pair[1] in stops or states[0].sample.arm.model in stops
            if not self._passed[pair] and not stopped_here and tried < len(self._candidates[pair]):
                retried.append(pair)
        keys = self._next_keys(retried)
        self.ended = not keys
        return keys

    def outcomes(self) -> list[CheckedArm]:
        """What became of the samples, by arm and benchmark."""
        checked = []
        for pair, passed in self._passed.items():
            failures = [] if passed else [state.failure for state in self._states(pair)]
            checked.append(
                CheckedArm(*pair, passed, tuple(failure.reason for failure in failures if failure is not None))
            )
        return checked

    def _next_keys(self, pairs: Iterable[Pair]) -> set[str]:
        keys = set()
        for pair in pairs:
            number = self._tried.setdefault(pair, 0)
            self._passed.setdefault(pair, False)
            self._tried[pair] = number + 1
            keys.add(self._candidates[pair][number].key)
        return keys

    def _states(self, pair: Pair) -> Sequence[SampleState]:
        samples = [candidate.sample for candidate in self._candidates[pair][: self._tried[pair]]]
        return sample_states(self.plan, self.store, samples)
