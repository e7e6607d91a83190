"""Counts images that a working model hardly draws: of one colour, transparent, or one file for several samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness._util.image_files import is_blank

if TYPE_CHECKING:
    import pandas as pd

MAX_SHARE = 0.01
"""Share of an arm's images above which suspect ones are warned of: more could move its score by more than a point,
while a few blank images are what a safety checker or a prompt for a plain background leaves."""
MIN_COUNT = 2
"""Number of suspect images below which nothing is warned of: in a small run, a single one would be above the share."""


@dataclass(frozen=True, slots=True)
class SuspectImages:
    """Counts of an arm's final images.

    Attributes:
        arm: Name of the arm.
        images: All images, one for each prompt and seed.
        blank: Those of one colour.
        repeated: Those of several colours whose file is also that of another prompt or seed.
        transparent: Those that came with transparent pixels; they are stored and scored without their transparency.
    """

    arm: str
    images: int
    blank: int
    repeated: int
    transparent: int = 0

    def warnings(self) -> list[str]:
        """A line for each count above the threshold; what a transparent image shows is always uncertain."""
        lines = []
        if self._is_many(self.blank):
            lines.append(f"{self.arm}: {self.blank} of {self.images} images are blank, all pixels of one colour.")
        if self._is_many(self.repeated):
            lines.append(
                f"{self.arm}: {self.repeated} of {self.images} images are the same file as that of another prompt or "
                "seed."
            )
        if self.transparent:
            lines.append(
                f"{self.arm}: {self.transparent} of {self.images} images are transparent; scored without their "
                "transparency, and what lies beneath may look unlike the picture."
            )
        return lines

    def _is_many(self, count: int) -> bool:
        return count >= MIN_COUNT and count > MAX_SHARE * self.images


def count_suspect_images(
    arms: pd.DataFrame, samples: pd.DataFrame, image_path: Callable[[str], Path]
) -> list[SuspectImages]:
    """Count the suspect images of each arm.

    Args:
        arms: Columns ``ARM_COLUMNS`` of :mod:`evalharness.store.results`.
        samples: Columns ``SAMPLE_COLUMNS``.
        image_path: Digest → the PNG file, which may be missing.
    """
    names = ["arm", "trajectory", "image"]
    drawn = samples[[*names, "transparent"]].dropna(subset=names).drop_duplicates(names)
    blank = {digest for digest in drawn["image"].unique() if is_blank(image_path(digest))}
    counts = []
    for arm in arms["arm"]:
        of_arm = drawn[drawn["arm"] == arm]
        images, transparent = of_arm["image"], int(of_arm["transparent"].isin([True]).sum())
        is_blank_image = images.isin(blank)
        repeated = images[~is_blank_image].duplicated(keep=False)
        blanks = int(is_blank_image.sum())
        counts.append(SuspectImages(arm, len(images), blanks, int(repeated.sum()), transparent))
    return counts
