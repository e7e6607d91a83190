"""Score a folder of images with GenEval, without a sweep: python examples/score_folder.py FOLDER [--weights official].

The folder has one subfolder for each prompt, named by its number as GenEval does (``00000``), with images in it or in
its subfolder ``samples``. Prints a line for each image and the mean of each category. On a model of your own give
``--weights official`` for the published networks; the default are the embedded ones, which know only embedded images.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from PIL import Image

import evalharness as eh

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Score a folder of images with GenEval.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default="embedded", choices=["embedded", "official"])
    options = parser.parse_args()

    scorer = eh.scorer("geneval", weights=options.weights)
    values: dict[str, list[float]] = defaultdict(list)
    for item in scorer.items:
        paths = sorted(path for path in (options.folder / item.id).glob("**/*") if path.suffix.lower() in SUFFIXES)
        images = [Image.open(path).convert("RGB") for path in paths]
        for path, score in zip(paths, scorer.score(images, [item] * len(images)), strict=True):
            values[item.category].append(score.value)
            print(f"{path.relative_to(options.folder)}  {score.value:.0f}  {item.prompt}  {score.reason}")
    for category, scores in values.items():
        print(f"{category}: {sum(scores) / len(scores):.3f} of {len(scores)} images")


if __name__ == "__main__":
    main()
