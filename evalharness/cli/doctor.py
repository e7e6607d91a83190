"""``evalharness doctor``: runs checks, and says in a line for each what to do if it fails."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness.config import sweep_files
from evalharness.errors import ConfigError, EvalHarnessError

if TYPE_CHECKING:
    from PIL import Image

    from evalharness.doctor.check_result import CheckResult
    from evalharness.doctor.scorer_check import ScorerCheck

MOST_IMAGES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sweep", metavar="FILE", help="also check what this sweep file needs")
    parser.add_argument("--golden", type=Path, metavar="FILE", help="compare the scorers with this golden file")
    parser.add_argument(
        "--write-golden", type=Path, metavar="FILE", help="record the scorers' present results in a new golden file"
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="with --write-golden: also record these images")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", default=Path("reports") / "store", help="where the run's images will go"
    )
    parser.add_argument("--no-draw", action="store_true", help="with --sweep: draw nothing with its models")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(options: argparse.Namespace) -> int:
    """Run the checks; returns 0 if none failed, else 1."""
    findings: list[CheckResult] = []
    for finding in _findings(options):
        findings.append(finding)
        if not options.json:
            console.write(finding.line())
    passed = all(finding.status != "fail" for finding in findings)
    if options.json:
        report = {"ok": passed, "findings": [asdict(finding) for finding in findings]}
        console.write_data(json.dumps(report, indent=1) + "\n")
    return ExitCode.COMPLETE if passed else ExitCode.CHECK_FAILED


def _findings(options: argparse.Namespace) -> Iterator[CheckResult]:
    """Check the options at once, then return the results of the checks as an iterator."""
    from evalharness.doctor import checks, golden
    from evalharness.doctor.check_result import run_checks

    sweep = sweep_files.load(options.sweep) if options.sweep else None
    photographs = _photographs(options)
    golden_file = golden.read_golden(options.golden) if options.golden else None
    if options.write_golden and options.write_golden.exists():
        raise ConfigError(f"{options.write_golden} is there already; name a new file")
    embedded = checks.embedded_check(photographs)
    examined = checks.scorer_checks_of(sweep, photographs) if sweep else [embedded]
    if not examined and (options.golden or options.write_golden):
        raise ConfigError(f"{options.sweep}: no benchmark has a scorer that golden images could check")
    passed = True
    listed = checks.list_checks(options.store, sweep, embedded, examined, golden_file, draw=not options.no_draw)
    for finding in run_checks(listed):
        passed = passed and finding.status != "fail"
        yield finding
    if options.write_golden:
        yield _written(options.write_golden, examined, passed=passed)


def _written(path: Path, examined: list[ScorerCheck], *, passed: bool) -> CheckResult:
    from evalharness.doctor import golden
    from evalharness.doctor.check_result import fail, ok

    if not passed:
        return fail("write-golden", f"{path} is not written: a check failed", "record only a machine in order")
    try:
        golden.write_golden(path, examined)
    except EvalHarnessError as error:
        return fail("write-golden", str(error))
    return ok("write-golden", str(path))


def _photographs(options: argparse.Namespace) -> list[Image.Image]:
    """Read the images of a folder.

    Raises:
        ConfigError: The folder holds no images, or an image cannot be read.
    """
    from PIL import Image, ImageOps

    from evalharness._util.image_files import FORMATS

    if options.images is None:
        return []
    if not options.write_golden:
        raise ConfigError("--images goes with --write-golden: a golden file that is read brings its own images")
    kinds = (".png", ".jpg", ".jpeg", ".webp")
    files = sorted(path for path in options.images.glob("*") if path.suffix.lower() in kinds)
    if not 1 <= len(files) <= MOST_IMAGES:
        raise ConfigError(f"{options.images} holds {len(files)} images; 1 to {MOST_IMAGES} make a golden file")
    photographs = []
    for file in files:
        try:
            with Image.open(file, formats=FORMATS) as image:
                photographs.append(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ConfigError(f"{file} cannot be read as an image: {error}") from None
    return photographs
