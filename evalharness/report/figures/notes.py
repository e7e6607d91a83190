"""Small texts beside points: each is put where nothing else is, or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

OFFSETS = ((5, 4), (5, -11), (-10, 4), (-10, -11), (7, -4), (-13, -4), (-3, 8), (-3, -16))
"""Where a text may stand, in points from its point."""
SIZE = 8
GID = "note"
MARKER = 4
"""Points around a point that its marker takes."""


def note(axes: Axes, text: str, position: tuple[float, float], color: str) -> None:
    """Ask for a text beside a point; :func:`place_notes` decides where it stands."""
    axes.annotate(
        text, position, OFFSETS[0], textcoords="offset points", fontsize=SIZE, color=color, gid=GID, in_layout=False
    )


def place_notes(axes: Axes) -> None:
    """Put the notes of laid-out axes where they cover neither points nor each other; without room they are left out.

    The first and the last come first.
    """
    notes: list[Any] = [text for text in axes.texts if text.get_gid() == GID]
    points = [axes.transData.transform(text.xy) for text in notes]
    scale = axes.figure.dpi / 72
    right = min(axes.bbox.x1 + 6 * scale, axes.figure.bbox.x1)
    taken: list[Bbox] = [_around(point, MARKER * scale) for point in points]
    for text in [*notes[:1], *notes[:0:-1]]:
        for offset in OFFSETS:
            text.set_position(offset)
            box = text.get_window_extent()
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= right and axes.bbox.y0 <= box.y0
            if inside and box.y1 <= axes.bbox.y1 + 2 * scale and box.count_overlaps(taken) == 0:
                taken.append(box)
                break
        else:
            text.remove()


def _around(point: Any, reach: float) -> Bbox:
    from matplotlib.transforms import Bbox

    x, y = point
    return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)
