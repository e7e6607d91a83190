"""Asks the judges of a sweep one real question: the benchmark's own, with an image, whose answer is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from PIL import Image

from evalharness._util.image_files import png_bytes
from evalharness.api.benchmark import Benchmark, JudgeScorer, Scorer, ScoreRequest
from evalharness.api.model_names import asked_model, is_version_of
from evalharness.api.plugin_results import plain_score, scorer_faults
from evalharness.api.scoring import KeptReplies
from evalharness.api.spoken import describe_reply
from evalharness.doctor.check_result import CheckResult, fail, ok, warn
from evalharness.errors import SampleError
from evalharness.types.reply import Reply
from evalharness.types.score import Score

IMAGE_SIZE = (256, 256)
"""Width and height in pixels of the image that is judged."""


def plain_image() -> Image.Image:
    """A gradient, which shows nothing that a benchmark asks for."""
    return Image.linear_gradient("L").resize(IMAGE_SIZE).convert("RGB")


def ask_judges(name: str, benchmark: Benchmark) -> Iterator[CheckResult]:
    """Ask each judge behind an endpoint about an image for the benchmark's first item.

    Args:
        name: The benchmark's name in the sweep file.
        benchmark: The benchmark.

    Raises:
        EvalHarnessError: A judge cannot be reached; the message says what to do.
    """
    seconds = [rescoring for rescoring in benchmark.rescorings() if rescoring.kind == "second"]
    scorers: list[tuple[str, Scorer | JudgeScorer]] = [(f"judge {name}", benchmark.scorer())]
    scorers += [(f"judge {name} ({second.name})", second.scorer) for second in seconds]
    for label, scorer in scorers:
        if isinstance(scorer, JudgeScorer) and not scorer.in_process:
            yield _ask(label, scorer, benchmark)


def _ask(label: str, scorer: JudgeScorer, benchmark: Benchmark) -> CheckResult:
    data, replies = png_bytes(plain_image()), KeptReplies()
    request = ScoreRequest("doctor", benchmark.items()[0], data, hashlib.sha256(data).hexdigest())
    outcome: Score | SampleError = SampleError("the judge gave no answer")
    with scorer_faults(label):
        for _, outcome in scorer.judge([request], replies):
            if isinstance(outcome, Score):
                outcome = plain_score(outcome, label, scorer.score_range)
    if isinstance(outcome, SampleError):
        return fail(label, str(outcome), "look at what the judge says, and at its settings")
    last = replies.all()[-1] if replies.all() else Reply("")
    text = f"answers {describe_reply(last)} to a question with an image, read as {outcome.value:g}"
    asked = asked_model(scorer.judges[0].identity()) if scorer.judges else ""
    if last.model and not is_version_of(last.model, asked):
        return warn(label, text, f"asked for was {asked}, but {last.model} answered; check model and base_url")
    return ok(label, f"{text}, by {last.model or asked}")
