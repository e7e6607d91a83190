"""Golden files: what a scorer found on a machine that was trusted, to be held against what it finds on others.

A file carries its images, so that it does not depend on fonts, codecs or this program's version. Two machines differ
by rounding; how much is let pass is said by the tolerances below.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util import environment
from evalharness._util.files import write_text_atomically
from evalharness._util.hashing import canonical
from evalharness._util.validation import error_line
from evalharness.api.benchmark import KnownAnswer
from evalharness.doctor.check_result import CheckResult, fail, ok, warn
from evalharness.doctor.scorer_check import ScorerCheck, describe_identity, scored
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.types.item import Item
from evalharness.types.score import Score

SCORE_TOLERANCE = 0.02
"""By so much may a detection's score, or a benchmark's, differ."""
BOX_TOLERANCE = 0.02
"""By so much of the image's longer side may each edge of a box differ."""
FAINT = 0.1
"""Detections below this score are not compared: a little more or less decides whether they are there."""
FEWEST = 5
"""So many objects that are not faint must have been found for a golden file to show anything."""
TOLERATED = 0.05
"""Up to this share of objects and of verdicts may differ with no more than a warning."""
MAX_BYTES = 100_000_000

Box = tuple[float, float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class GoldenObject(_Part):
    cls: str = Field(alias="class")
    box: Box
    score: float
    color: str | None = None


class GoldenImage(_Part):
    """``png`` is base64; ``item`` is what the scorer is told; the rest is what it said."""

    part: str
    png: str
    id: str
    prompt: str
    category: str
    metadata: dict[str, Any]
    value: float
    reason: str
    objects: tuple[GoldenObject, ...]


class GoldenScorer(_Part):
    identity: dict[str, Any]
    images: tuple[GoldenImage, ...] = Field(min_length=1)


class Golden(_Part):
    """What is written: by benchmark, and where it was made."""

    golden: Literal[1] = 1
    hardware: str
    versions: dict[str, str]
    scorers: dict[str, GoldenScorer]


def read(path: Path) -> Golden:
    """Raises: ConfigError: the file is missing or no golden file."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is too large for a golden file")
        return Golden.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the golden file {path}: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigError(f"{path} is no golden file: {error_line(error, Golden)}") from None


def write(path: Path, examinations: Sequence[ScorerCheck]) -> None:
    """Record what the scorers say; the file appears whole.

    Raises:
        EvalHarnessError: a scorer finds next to nothing, so that the file would show nothing; or the disk is full.
    """
    scorers = {one.benchmark.name: _recorded(one) for one in examinations}
    made = Golden(hardware=environment.hardware(), versions=environment.versions(), scorers=scorers)
    try:
        write_text_atomically(path, made.model_dump_json(by_alias=True, indent=1) + "\n")
    except OSError as error:
        raise EvalHarnessError(f"cannot write the golden file {path}: {error.strerror}") from error


def _recorded(examination: ScorerCheck) -> GoldenScorer:
    images = [
        GoldenImage(
            part=specimen.part,
            png=_encode(specimen.image),
            id=specimen.item.id,
            prompt=specimen.item.prompt,
            category=specimen.item.category,
            metadata=dict(specimen.item.metadata),
            value=score.value,
            reason=score.reason,
            objects=_objects(score),
        )
        for specimen, score in zip(examination.specimens, examination.scores, strict=True)
    ]
    found = sum(len(image.objects) for image in images)
    if found < FEWEST:
        raise EvalHarnessError(
            f"{examination.label}: only {found} objects are found in {len(images)} images, which would show nothing; "
            "add photographs with --images DIR"
        )
    return GoldenScorer(identity=examination.identity, images=tuple(images))


def _objects(score: Score) -> tuple[GoldenObject, ...]:
    """What a scorer with a detector keeps as evidence, without the faint."""
    found = score.details.get("detections", ())
    return tuple(
        GoldenObject.model_validate({key: one.get(key) for key in ("class", "box", "score", "color")})
        for one in found
        if one["score"] >= FAINT
    )


def compare(golden: Golden, examination: ScorerCheck) -> Iterator[CheckResult]:
    """The scorer on the file's images, against what the file says of them."""
    name = f"{examination.label} golden"
    recorded = golden.scorers.get(examination.benchmark.name)
    if recorded is None:
        yield fail(name, f"the golden file is of {', '.join(golden.scorers)}", "write one with --write-golden")
        return
    identity = examination.identity
    if canonical(identity) != canonical(recorded.identity):
        theirs, ours = describe_identity(recorded.identity), describe_identity(identity)
        other = f"{theirs} there, {ours} here: {_difference(recorded, identity)}"
        yield fail(name, f"the golden file is of another scorer ({other})", "compare like with like, or write another")
        return
    specimens = [_specimen(image, name) for image in recorded.images]
    scores = scored(examination.scorer, specimens)
    yield _judged(name, golden, recorded, specimens, scores)


def _judged(
    name: str, golden: Golden, recorded: GoldenScorer, specimens: Sequence[KnownAnswer], scores: Sequence[Score]
) -> CheckResult:
    objects, other, verdicts, first = 0, 0, 0, ""
    for image, specimen, score in zip(recorded.images, specimens, scores, strict=True):
        found, side = _objects(score), max(specimen.image.size)
        lost, new = unmatched(image.objects, found, side), unmatched(found, image.objects, side)
        objects += max(len(image.objects), len(found))
        other += max(len(lost), len(new))
        verdicts += abs(score.value - image.value) > SCORE_TOLERANCE
        if (lost or new) and not first:
            first = f"; the first, {_said(lost, new)} in {image.prompt!r}"
    there = f"on {golden.hardware}"
    if not other and not verdicts:
        within = f"scores within {SCORE_TOLERANCE}, edges within {BOX_TOLERANCE:.0%}"
        return ok(name, f"{objects} objects in {len(specimens)} images as {there} ({within})")
    message = f"{other} of {objects} objects and {verdicts} of {len(specimens)} verdicts are not as {there}{first}"
    if other <= TOLERATED * objects and verdicts <= TOLERATED * len(specimens):
        return warn(name, message, "so few can be rounding, where a score or an edge stands on a threshold")
    return fail(name, message, "trust no score from here before the two agree; see the lines cuda, kernels and mmcv")


def unmatched(ours: Sequence[GoldenObject], others: Sequence[GoldenObject], side: int) -> list[GoldenObject]:
    """Those of ours that have no partner among the others; ``side`` is the image's longer one in pixels.

    One that is faint within the tolerance may have lost its partner to the floor, and counts as matched.
    """
    left = list(others)
    alone = []
    for one in ours:
        partner = next((other for other in left if _same(one, other, side)), None)
        if partner is not None:
            left.remove(partner)
        elif one.score >= FAINT + SCORE_TOLERANCE:
            alone.append(one)
    return alone


def _same(one: GoldenObject, other: GoldenObject, side: int) -> bool:
    near = all(abs(a - b) <= BOX_TOLERANCE * side for a, b in zip(one.box, other.box, strict=True))
    return near and (one.cls, one.color) == (other.cls, other.color) and abs(one.score - other.score) <= SCORE_TOLERANCE


def _said(lost: Sequence[GoldenObject], new: Sequence[GoldenObject]) -> str:
    def one(found: GoldenObject) -> str:
        color = f"{found.color} " if found.color else ""
        return f"{color}{found.cls} at {', '.join(f'{edge:.0f}' for edge in found.box)} with {found.score:.2f}"

    return " for ".join([f"{one(new[0])}" if new else "nothing", one(lost[0]) if lost else "nothing"])


def _difference(recorded: GoldenScorer, identity: dict[str, Any]) -> str:
    """The first key in which two identities differ."""
    return next(
        (key for key in {**recorded.identity, **identity} if recorded.identity.get(key) != identity.get(key)), ""
    )


def _encode(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "png")
    return base64.b64encode(data.getvalue()).decode("ascii")


def _specimen(image: GoldenImage, name: str) -> KnownAnswer:
    try:
        picture = Image.open(io.BytesIO(base64.b64decode(image.png, validate=True)), formats=["PNG"])
        picture.load()
    except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise EvalHarnessError(f"{name}: the image of {image.prompt!r} cannot be read: {error}") from None
    return KnownAnswer(image.part, picture, Item(image.id, image.prompt, image.category, image.metadata), None)
