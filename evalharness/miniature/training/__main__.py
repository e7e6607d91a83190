"""Everything that comes with the package, from nothing: ``python -m evalharness.miniature.training``.

    detector, clip, judge → arms, whose sketches the new detector and CLIP look at

Each network is trained by its own command. A network that is done is left as it is, and one that was killed goes on
from its last checkpoint.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from evalharness._util import console
from evalharness._util.guard import guarded
from evalharness.errors import EvalHarnessError
from evalharness.miniature.training import arms
from evalharness.miniature.training.training_run import start_log

log = logging.getLogger("evalharness.training")
SCORERS = ("detector", "clip", "judge")


def train_scorer(name: str, out: Path, device: str) -> None:
    """Train a network unless it is there.

    Raises:
        EvalHarnessError: its command failed.
    """
    if (out / name / "card.json").is_file():
        return
    log.info("training %s", out / name)
    folders = ["--out", str(out / name), "--scratch", str(out / "scratch")]
    command = [sys.executable, "-m", f"evalharness.miniature.training.{name}", *folders, "--device", device]
    if code := subprocess.run(command, check=False).returncode:
        raise EvalHarnessError(f"the training of {name} ended with exit code {code}; run this again to go on")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evalharness.miniature.training",
        description="Train the miniature's scorers, then its unified model and the arms of the data ablation.",
        epilog="All other options are those of evalharness.miniature.training.arms, such as --seeds 0 1 2.",
    )
    parser.add_argument("--out", type=Path, default=Path("training/all"), metavar="DIR", help="folder to write to")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    options, others = parser.parse_known_args(arguments)
    folders = ["--out", str(options.out / "arms"), "--scorers", str(options.out)]
    options.arms = arms.parse([*folders, "--device", options.device, *others])
    return guarded(_run, options)


def _run(options: argparse.Namespace) -> int:
    start_log()
    study = arms.study(options.arms)  # a wrong option is told before hours of training
    for name in SCORERS:
        train_scorer(name, options.out, options.device)
    for folder in study.run():
        console.write(str(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
