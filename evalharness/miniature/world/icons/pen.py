"""A pen for drawing icons: shapes on a 32 x 32 unit square, in roles instead of colours.

An icon is a function that takes a :class:`Pen` and draws shapes. It never names a colour: each shape has a role
(``body``, ``dark``, ``light``, ``ink``, ``paper``), and the palette of the object's colour turns roles into RGB, so
every icon can be drawn in all ten GenEval colours. The dark outline around the silhouette is added afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Role = Literal["body", "dark", "light", "ink", "paper", "hole"]
Point = tuple[float, float]

CELL = 32
"""Side of an icon in pixels."""
SUPERSAMPLE = 8
OUTLINE = 1.0
"""Width of the outline in pixels."""

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 32, 38),
    "orange": (247, 138, 22),
    "yellow": (250, 218, 38),
    "green": (34, 150, 62),
    "blue": (32, 92, 214),
    "purple": (126, 46, 168),
    "pink": (246, 140, 186),
    "brown": (122, 74, 36),
    "black": (30, 30, 34),
    "white": (252, 252, 252),
}
"""The ten colours of GenEval, in its order, as RGB."""
OUTLINE_RGB = (38, 38, 46)


def _mix(a: tuple[int, int, int], b: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True)
class Palette:
    """RGB of each role for one body colour."""

    body: tuple[int, int, int]
    dark: tuple[int, int, int]
    light: tuple[int, int, int]
    ink: tuple[int, int, int]
    paper: tuple[int, int, int]

    @classmethod
    def of(cls, color: str) -> Palette:
        """The palette of one of :data:`COLORS`. Details stay visible on black and on white bodies."""
        body = COLORS[color]
        return cls(
            body=body,
            dark=_mix(body, (0, 0, 0), 0.16 if color == "white" else 0.34),
            light=_mix(body, (255, 255, 255), 0.26 if color == "black" else 0.48),
            ink=(128, 130, 138) if color == "black" else OUTLINE_RGB,
            paper=(206, 210, 216) if color == "white" else (248, 248, 248),
        )


class Pen:
    """Draws shapes of one icon. Coordinates are pixels of the final 32 x 32 icon, x to the right, y down, floats
    allowed.
    """

    def __init__(self, color: str) -> None:
        side = CELL * SUPERSAMPLE
        self._palette = Palette.of(color)
        self._image = Image.new("RGB", (side, side))
        self._cover = Image.new("L", (side, side))
        self._draw = ImageDraw.Draw(self._image)
        self._cover_draw = ImageDraw.Draw(self._cover)

    def _rgb(self, role: Role) -> tuple[int, int, int]:
        return (0, 0, 0) if role == "hole" else getattr(self._palette, role)

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> list[float]:
        return [v * SUPERSAMPLE for v in (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))]

    def ellipse(self, x0: float, y0: float, x1: float, y1: float, role: Role = "body") -> None:
        """A filled ellipse in the box from (x0, y0) to (x1, y1)."""
        self._draw.ellipse(self._box(x0, y0, x1, y1), fill=self._rgb(role))
        self._cover_draw.ellipse(self._box(x0, y0, x1, y1), fill=0 if role == "hole" else 255)

    def circle(self, x: float, y: float, r: float, role: Role = "body") -> None:
        """A filled circle of radius r around (x, y)."""
        self.ellipse(x - r, y - r, x + r, y + r, role)

    def rect(self, x0: float, y0: float, x1: float, y1: float, role: Role = "body", radius: float = 0.0) -> None:
        """A filled rectangle, its corners rounded by ``radius``."""
        r = radius * SUPERSAMPLE
        self._draw.rounded_rectangle(self._box(x0, y0, x1, y1), r, fill=self._rgb(role))
        self._cover_draw.rounded_rectangle(self._box(x0, y0, x1, y1), r, fill=0 if role == "hole" else 255)

    def polygon(self, points: Iterable[Point], role: Role = "body") -> None:
        """A filled polygon."""
        scaled = [(x * SUPERSAMPLE, y * SUPERSAMPLE) for x, y in points]
        self._draw.polygon(scaled, fill=self._rgb(role))
        self._cover_draw.polygon(scaled, fill=0 if role == "hole" else 255)

    def line(self, points: Iterable[Point], width: float, role: Role = "ink") -> None:
        """A polyline with round ends and joints."""
        scaled = [(x * SUPERSAMPLE, y * SUPERSAMPLE) for x, y in points]
        w = round(width * SUPERSAMPLE)
        for draw, fill in ((self._draw, self._rgb(role)), (self._cover_draw, 0 if role == "hole" else 255)):
            draw.line(scaled, fill=fill, width=w)
            for x, y in scaled:
                draw.ellipse([x - w / 2, y - w / 2, x + w / 2, y + w / 2], fill=fill)

    def arc(
        self, x0: float, y0: float, x1: float, y1: float, start: float, end: float, width: float, role: Role = "ink"
    ) -> None:
        """An elliptic arc in a box, from ``start`` to ``end`` degrees clockwise from three o'clock; width inwards."""
        w = round(width * SUPERSAMPLE)
        self._draw.arc(self._box(x0, y0, x1, y1), start, end, fill=self._rgb(role), width=w)
        self._cover_draw.arc(self._box(x0, y0, x1, y1), start, end, fill=0 if role == "hole" else 255, width=w)

    def pie(self, x0: float, y0: float, x1: float, y1: float, start: float, end: float, role: Role = "body") -> None:
        """A filled sector of an ellipse, angles as in :meth:`arc`."""
        self._draw.pieslice(self._box(x0, y0, x1, y1), start, end, fill=self._rgb(role))
        self._cover_draw.pieslice(self._box(x0, y0, x1, y1), start, end, fill=0 if role == "hole" else 255)

    def finish(self) -> NDArray[np.float32]:
        """The icon with its outline: (32, 32, 4) float32 in 0..1, the last channel the coverage."""
        halo = _grown(np.asarray(self._cover), round(OUTLINE * SUPERSAMPLE))
        flat = Image.new("RGB", self._image.size, OUTLINE_RGB)
        flat.paste(self._image, mask=self._cover)
        # Premultiplied before shrinking, so that the colour outside the silhouette does not bleed in.
        alpha = halo[..., None].astype(np.float32) / 255
        rgba = np.concatenate([np.asarray(flat, np.float32) / 255 * alpha, alpha], axis=-1)
        small: NDArray[np.float32] = rgba.reshape(CELL, SUPERSAMPLE, CELL, SUPERSAMPLE, 4).mean(axis=(1, 3))
        small[..., :3] /= np.maximum(small[..., 3:], 1e-6)
        return small


def _grown(cover: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    """Each pixel's maximum over a square of 2 * radius + 1 pixels; the border is repeated outwards."""
    height, width = cover.shape
    padded = np.pad(cover, radius, mode="edge")
    rows = np.maximum.reduce([padded[shift : shift + height] for shift in range(2 * radius + 1)])
    grown: NDArray[np.uint8] = np.maximum.reduce([rows[:, shift : shift + width] for shift in range(2 * radius + 1)])
    return grown
