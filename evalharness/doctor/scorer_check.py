"""A benchmark's scorer on the benchmark's own specimens: what it says of them, against what is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from PIL import Image

from evalharness.api.benchmark import HasKnownAnswers, KnownAnswer, Scorer
from evalharness.doctor.check_result import CheckResult, fail, ok, warn
from evalharness.errors import EvalHarnessError
from evalharness.types.score import Score

ADVICE = (
    "run again with CUDA_VISIBLE_DEVICES= : if that is right, the GPU computes wrongly, else the weights are damaged: "
    "install evalharness again"
)


class ScorerCheck:
    """A benchmark with its scorer, which looks at each specimen once, when first asked. ``label`` begins its lines.

    ``photographs`` are more images, of which only a golden file can say what is right.
    """

    def __init__(self, label: str, benchmark: HasKnownAnswers, photographs: Sequence[Image.Image] = ()) -> None:
        self.label = label
        self.benchmark = benchmark
        self.photographs = photographs
        self.scorer = benchmark.scorer()

    @cached_property
    def identity(self) -> dict[str, Any]:
        return dict(self.scorer.identity())

    @cached_property
    def specimens(self) -> list[KnownAnswer]:
        own = self.benchmark.specimens()
        more = [
            KnownAnswer("photographs", image, own[index % len(own)].item, None)
            for index, image in enumerate(self.photographs)
        ]
        return own + more

    @cached_property
    def scores(self) -> list[Score]:
        return scored(self.scorer, self.specimens)

    def verdicts(self) -> Iterator[CheckResult]:
        """A line for each part of the scorer of which it is known what it should say; else one that it runs at all."""
        known = [pair for pair in zip(self.specimens, self.scores, strict=True) if pair[0].correct is not None]
        identity = describe_identity(self.identity)
        if not known:
            found = sum(len(score.details.get("detections", ())) for score in self.scores)
            yield warn(
                self.label,
                f"{found} objects found in {len(self.scores)} images; what is right is not known ({identity})",
                "write a golden file on a machine that you trust (--write-golden FILE), and compare (--golden FILE)",
            )
        for part in dict.fromkeys(specimen.part for specimen, _ in known):
            own = [(specimen, score) for specimen, score in known if specimen.part == part]
            wrong = [(specimen, score) for specimen, score in own if (score.value == 1) != specimen.correct]
            if not wrong:
                message = f"{len(own)} images with known verdicts, all judged right ({identity})"
                yield ok(f"{self.label} {part}", message)
            else:
                yield fail(f"{self.label} {part}", f"{_complaint(wrong, own)} ({identity})", ADVICE)


def scored(scorer: Scorer, specimens: Sequence[KnownAnswer]) -> list[Score]:
    """The scores of the specimens, in batches of the scorer's size."""
    scores: list[Score] = []
    for start in range(0, len(specimens), scorer.batch_size):
        batch = specimens[start : start + scorer.batch_size]
        scores += scorer.score([one.image for one in batch], [one.item for one in batch])
    if len(scores) != len(specimens):
        raise EvalHarnessError(f"the scorer gave {len(scores)} scores for {len(specimens)} images")
    return scores


def _complaint(wrong: Sequence[tuple[KnownAnswer, Score]], own: Sequence[tuple[KnownAnswer, Score]]) -> str:
    of = Counter(specimen.item.category for specimen, _ in own)
    by_category = Counter(specimen.item.category for specimen, _ in wrong)
    parts = ", ".join(f"{category} {count}/{of[category]}" for category, count in by_category.items())
    first, score = wrong[0]
    said = "was taken for right" if score.value == 1 else f"was called wrong: {score.reason}"
    image = "a right image" if first.correct else "a wrong image"
    count = f"{len(wrong)} of {len(own)} images judged wrongly ({parts})"
    return f"{count}; the first, {image} of {first.item.prompt!r}, {said}"


def describe_identity(identity: Mapping[str, Any]) -> str:
    """The names and the beginnings of the weights' digests in an identity, however deep they stand.

    >>> described({"detector": {"name": "a", "weights": "0" * 64}, "rules": {"x": 1}})
    'a 00000000'
    """
    found = []
    if isinstance(name := identity.get("name"), str):
        digests = [str(identity[key])[:8] for key in ("weights", "revision") if isinstance(identity.get(key), str)]
        found.append(" ".join([name, *digests]))
    found += [text for value in identity.values() if isinstance(value, Mapping) and (text := describe_identity(value))]
    return ", ".join(found)
