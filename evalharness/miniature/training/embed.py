"""Make trained arms the weights of the package: ``python -m evalharness.miniature.training.embed --arms DIR``.

The embedded checkpoint is ``full-seed0``, whole. ``base-seed0``, which has learned to draw in a single pass and after a
thought but not the process, comes with it as its difference from the embedded one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from evalharness.assets.weights_folder import checked_folder
from evalharness.errors import EvalHarnessError
from evalharness.miniature.model import difference
from evalharness.miniature.model.checkpoint import DIFFERENCE, EMBEDDED, MODEL
from evalharness.miniature.model.plugin import EMBEDDED_FOLDERS
from evalharness.miniature.training.training_run import WEIGHTS

FILES = (MODEL, "config.json", "card.json", "curve.csv")
RANK = 64


def embed(arms: Path, weights: Path, rank: int) -> None:
    """Write the weights of the package.

    Args:
        arms: what ``evalharness.miniature.training.arms`` wrote.
        weights: the folder with one subfolder per network.
        rank: of the difference; 0 keeps it whole.

    Raises:
        WeightsError: a checkpoint is missing or incomplete.
    """
    full, base = (checked_folder(arms / "whole" / f"{arm}-seed0", FILES) for arm in ("full", "base"))
    unified, unified_base = (weights / folder for folder in EMBEDDED_FOLDERS.values())
    for folder in (unified, unified_base):
        folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(full / name, unified / name)
    kept = difference.write(unified, base, unified_base, rank=rank, origin=EMBEDDED)
    shutil.copyfile(base / "curve.csv", unified_base / "curve.csv")
    about = {"rank": rank, "kept": round(kept, 4), "bytes": (unified_base / DIFFERENCE).stat().st_size}
    card = json.loads((base / "card.json").read_text()) | {"arm": "base", "difference": about}
    (unified_base / "card.json").write_text(json.dumps(card, indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evalharness.miniature.training.embed",
        description="Make trained arms the weights of the package.",
    )
    parser.add_argument("--arms", type=Path, default=Path("training/arms"), metavar="DIR", help="the trained arms")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder to write to")
    parser.add_argument("--rank", type=int, default=RANK, help="rank of the difference of base; 0 stores it in full")
    options = parser.parse_args(arguments)
    try:
        embed(options.arms, options.weights, options.rank)
    except EvalHarnessError as error:
        sys.stderr.write(f"evalharness: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
