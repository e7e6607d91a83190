"""Tests a benchmark's scorer on images with known answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from PIL import Image

from evalharness.api.benchmark import HasKnownAnswers, KnownAnswer, Scorer
from evalharness.api.plugin_results import plain_score, scorer_faults
from evalharness.doctor.check_result import CheckResult, fail, ok, warn
from evalharness.errors import EvalHarnessError
from evalharness.types.score import Score, is_right

ADVICE = (
    "run again with CUDA_VISIBLE_DEVICES= : if that is right, the GPU computes wrongly, else the weights are damaged: "
    "install evalharness again"
)


class ScorerCheck:
    """A benchmark and its scorer, which scores each image once, when its scores are first needed."""

    def __init__(self, label: str, benchmark: HasKnownAnswers, photographs: Sequence[Image.Image] = ()) -> None:
        """Build the benchmark's scorer.

        Args:
            label: the beginning of the lines of results.
            benchmark: a benchmark that has images with known answers.
            photographs: more images, whose answers are not known; only a golden file can tell what is right.
        """
        self.label = label
        self.benchmark = benchmark
        self.photographs = photographs
        self.scorer = benchmark.scorer()

    @cached_property
    def identity(self) -> dict[str, Any]:
        return dict(self.scorer.identity())

    @cached_property
    def specimens(self) -> list[KnownAnswer]:
        """The benchmark's images, then the photographs, scored as if they belonged to the benchmark's items."""
        specimens = self.benchmark.known_answers()
        photographs = [
            KnownAnswer("photographs", image, specimens[index % len(specimens)].item, None)
            for index, image in enumerate(self.photographs)
        ]
        return specimens + photographs

    @cached_property
    def scores(self) -> list[Score]:
        return score_known_answers(self.scorer, self.specimens)

    def check_verdicts(self) -> Iterator[CheckResult]:
        """Give a line for each part of the scorer with known answers; without any, a line on whether it runs at all."""
        pairs = list(zip(self.specimens, self.scores, strict=True))
        known = [(specimen, score) for specimen, score in pairs if specimen.correct is not None]
        if not known:
            yield self._unknown()
        for part in dict.fromkeys(specimen.part for specimen, _ in known):
            yield self._check_part(part, [(specimen, score) for specimen, score in known if specimen.part == part])

    def _unknown(self) -> CheckResult:
        objects = sum(len(score.details.get("detections", ())) for score in self.scores)
        identity = describe_identity(self.identity)
        return warn(
            self.label,
            f"{objects} objects found in {len(self.scores)} images; what is right is not known ({identity})",
            "write a golden file on a machine that you trust (--write-golden FILE), and compare (--golden FILE)",
        )

    def _check_part(self, part: str, scored: Sequence[tuple[KnownAnswer, Score]]) -> CheckResult:
        name, identity = f"{self.label} {part}", describe_identity(self.identity)
        errors = [(specimen, score) for specimen, score in scored if is_right(score.value) != specimen.correct]
        if errors:
            return fail(name, f"{_describe_errors(errors, scored)} ({identity})", ADVICE)
        return ok(name, f"{len(scored)} images with known verdicts, all judged right ({identity})")


def score_known_answers(scorer: Scorer, specimens: Sequence[KnownAnswer]) -> list[Score]:
    """Score images in batches of the scorer's size.

    Raises:
        EvalHarnessError: the scorer returned more or fewer scores than images, or numbers that are NaN or infinite.
    """
    scores: list[Score] = []
    for start in range(0, len(specimens), scorer.batch_size):
        batch = specimens[start : start + scorer.batch_size]
        with scorer_faults("the scorer"):
            made = scorer.score([specimen.image for specimen in batch], [specimen.item for specimen in batch])
        scores += [plain_score(score, "the scorer", scorer.score_range) for score in made]
    if len(scores) != len(specimens):
        raise EvalHarnessError(f"the scorer gave {len(scores)} scores for {len(specimens)} images")
    return scores


def _describe_errors(errors: Sequence[tuple[KnownAnswer, Score]], scored: Sequence[tuple[KnownAnswer, Score]]) -> str:
    totals = Counter(specimen.item.category for specimen, _ in scored)
    by_category = Counter(specimen.item.category for specimen, _ in errors)
    categories = ", ".join(f"{category} {count}/{totals[category]}" for category, count in by_category.items())
    first, score = errors[0]
    verdict = "was taken for right" if is_right(score.value) else f"was called wrong: {score.reason}"
    image = "a right image" if first.correct else "a wrong image"
    count = f"{len(errors)} of {len(scored)} images judged wrongly ({categories})"
    return f"{count}; the first, {image} of {first.item.prompt!r}, {verdict}"


def describe_identity(identity: Mapping[str, Any]) -> str:
    """Names in an identity, at any depth, with the first digits of their weights' digests.

    >>> describe_identity({"detector": {"name": "a", "weights": "0" * 64}, "rules": {"x": 1}})
    'a 00000000'
    """
    parts = []
    if isinstance(name := identity.get("name"), str):
        digests = [str(identity[key])[:8] for key in ("weights", "revision") if isinstance(identity.get(key), str)]
        parts.append(" ".join([name, *digests]))
    for value in identity.values():
        if isinstance(value, Mapping) and (nested := describe_identity(value)):
            parts.append(nested)
    return ", ".join(parts)
