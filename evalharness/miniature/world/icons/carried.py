"""Icons of things people carry, wear or play with: bags, a tie, sports gear."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import cos, hypot, pi, sin

from evalharness.miniature.world.icons.pen import Pen, Point, Role


def _along(start: Point, end: Point, points: Iterable[Point]) -> list[Point]:
    """Points given as (pixels from ``start`` towards ``end``, pixels to the right of that axis), on the square."""
    length = hypot(end[0] - start[0], end[1] - start[1])
    ux, uy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    return [(start[0] + t * ux - s * uy, start[1] + t * uy + s * ux) for t, s in points]


def _oval(t: float, rt: float, rs: float) -> list[Point]:
    """An ellipse around (t, 0) for :func:`_along`, with radius ``rt`` along the axis and ``rs`` across it."""
    return [(t + rt * cos(k * pi / 24), rs * sin(k * pi / 24)) for k in range(48)]


def _profile(half: Iterable[Point]) -> list[Point]:
    """The closed outline, for :func:`_along`, of a shape symmetric about its axis, from its (t, half width) points."""
    half = list(half)
    return half + [(t, -s) for t, s in reversed(half)]


def backpack(pen: Pen) -> None:
    """A backpack from the front: domed top, loop handle, side pouches, a big front pocket."""
    pen.circle(16, 5.5, 4)
    pen.circle(16, 5.8, 1.6, "hole")
    pen.rect(2, 17, 30, 28.5, "dark", 4)
    pen.rect(6, 5, 26, 30, "body", 9)
    pen.rect(6, 15, 26, 30, "body", 3)
    pen.line([(10, 13), (22, 13)], 1.6, "ink")
    pen.rect(9, 17.5, 23, 27.5, "light", 3)
    pen.rect(9, 17.5, 23, 21.5, "dark", 2)
    pen.rect(14.5, 19.5, 17.5, 24, "ink", 1)


def umbrella(pen: Pen) -> None:
    """An open umbrella: scalloped dome in panels, shaft, hooked handle."""
    pen.line([(17, 10), (17, 27)], 4, "dark")
    pen.arc(7, 18.5, 19, 30.5, 0, 180, 4, "dark")
    pen.circle(9, 24.5, 2, "dark")
    pen.pie(1.5, 1.5, 30.5, 29, 180, 360)
    pen.pie(10.5, 1.5, 21.5, 29, 180, 360, "light")
    panels: tuple[tuple[float, float, Role], ...] = (
        (1.5, 10.5, "body"), (10.5, 21.5, "light"), (21.5, 30.5, "body"),
    )  # fmt: skip
    for x0, x1, role in panels:
        pen.ellipse(x0, 13, x1, 17.5, role)
    pen.arc(10, 1.5, 22, 30, 180, 360, 1, "ink")


def handbag(pen: Pen) -> None:
    """A lady's handbag: a wide trapezoid under one tall arched handle, a pointed flap with a clasp."""
    pen.arc(6.5, 1.5, 25.5, 27, 180, 360, 4, "dark")
    pen.polygon([(5, 13), (27, 13), (30.5, 28), (28.5, 30.5), (3.5, 30.5), (1.5, 28)])
    pen.polygon([(5, 13), (27, 13), (28, 17.5), (16, 24.5), (4, 17.5)], "dark")
    pen.polygon([(5.8, 13), (26.2, 13), (26.8, 16.5), (16, 22.5), (5.2, 16.5)], "body")
    pen.circle(16, 22.5, 2.4, "paper")
    pen.circle(16, 22.5, 1, "ink")


def tie(pen: Pen) -> None:
    """A necktie: knot, widening blade with a point, diagonal stripes."""
    pen.polygon([(12, 9.5), (20, 9.5), (26.5, 23), (16, 30.5), (5.5, 23)])
    pen.polygon([(11.2, 11.5), (21.2, 12), (22.9, 15.6), (9.8, 14.2)], "dark")
    pen.polygon([(8, 18), (24.6, 19.2), (26.2, 22.6), (6.4, 21.2)], "dark")
    pen.polygon([(7.5, 1.5), (24.5, 1.5), (20.8, 9.5), (11.2, 9.5)])
    pen.line([(12, 9.8), (20, 9.8)], 1.2, "ink")


def suitcase(pen: Pen) -> None:
    """A hard-shell trolley case: square pull-out handle, ribbed upright shell, two wheels."""
    pen.rect(8, 1.5, 24, 14, "dark", 2)
    pen.rect(12, 5.5, 20, 14, "hole")
    pen.rect(5.5, 26, 11.5, 30.5, "ink", 1.5)
    pen.rect(20.5, 26, 26.5, 30.5, "ink", 1.5)
    pen.rect(3.5, 11, 28.5, 28.5, "body", 3)
    for x in (8.5, 13.5, 18.5, 23.5):
        pen.line([(x, 14), (x, 25.5)], 1.4, "ink")


def frisbee(pen: Pen) -> None:
    """A flying disc seen from the side and above, tilted: thin rim, flat rings on top."""
    a, b = (2.3, 21), (29.7, 9)
    top = _along(a, b, _oval(14.9, 14.6, 9))
    pen.polygon([(x + 0.4, y + 3) for x, y in top], "dark")
    pen.polygon(top)
    ovals: tuple[tuple[float, float, Role], ...] = (
        (11, 6.2, "ink"), (10.2, 5.5, "body"), (6, 3.1, "ink"), (5.2, 2.4, "light"),
    )  # fmt: skip
    for t, s, role in ovals:
        pen.polygon(_along(a, b, _oval(14.9, t, s)), role)


def skis(pen: Pen) -> None:
    """Two skis crossed in an X, narrow waists, rounded tips up, a binding on each."""
    edge = [(0, 2.7), (18, 2.4), (29, 3.3), (32, 3), (34, 1.9), (35, 0.2)]
    for start, end in (((27.2, 28), (3.4, 3)), ((4.8, 28), (28.6, 3))):
        pen.polygon(_along(start, end, _profile([(t, s + 0.7) for t, s in edge])), "dark")
        pen.polygon(_along(start, end, _profile(edge)))
        pen.polygon(_along(start, end, _profile([(6, 2.6), (11, 2.5)])), "ink")
        pen.polygon(_along(start, end, _profile([(7.5, 1.3), (9.5, 1.3)])), "paper")
        pen.polygon(_along(start, end, _profile([(25.5, 2.9), (28, 3.2)])), "dark")


def snowboard(pen: Pen) -> None:
    """A snowboard from above, diagonal: round ends, narrow waist, two boots' bindings across it."""
    a, b = (6.8, 25.2), (25.2, 6.8)
    board = [(-4.8, 0.4), (-4.2, 3), (-2.4, 4.9), (0.8, 5.8), (7, 5), (13, 4.4)]
    pen.polygon(_along(a, b, _profile(board + [(26 - t, s) for t, s in reversed(board)])))
    pen.polygon(_along(a, b, [(11, -4.5), (13, -4.4), (15, 4.5), (13, 4.4)]), "light")
    for t in (6.6, 19.4):
        pen.line(_along(a, b, [(t - 0.8, -4.4), (t + 0.8, 4.4)]), 3.8, "ink")
        pen.line(_along(a, b, [(t - 0.4, -2.4), (t + 0.4, 2.4)]), 1.4, "paper")


def sports_ball(pen: Pen) -> None:
    """A football: ink pentagons, one in the middle and five at the rim, joined by seams."""
    pen.circle(16, 16, 14.5)
    for k in range(5):
        turn = (2 * k * pi / 5) - pi / 2
        rim = ((0, 9.6), (0.26, 11.4), (0.24, 14.2), (-0.24, 14.2), (-0.26, 11.4))
        pen.line([(16, 16), (16 + 10 * cos(turn), 16 + 10 * sin(turn))], 1.2, "ink")
        pen.polygon([(16 + r * cos(turn + d), 16 + r * sin(turn + d)) for d, r in rim], "ink")
    pen.polygon([(16 + 4.7 * sin(k * 2 * pi / 5), 16 - 4.7 * cos(k * 2 * pi / 5)) for k in range(5)], "ink")


def kite(pen: Pen) -> None:
    """A diamond kite, upright, crossed spars, a tail that ends in a bow."""
    pen.line([(15, 25), (17.5, 28.5), (21, 29), (25, 26.5)], 2, "ink")
    pen.polygon([(21.5, 30), (21.5, 22.5), (25.5, 25), (30, 22), (30, 29.8), (25.5, 27.5)], "dark")
    top, left, tail, right, centre = (15, 1.8), (2, 10.5), (15, 26.5), (28, 10.5), (15, 10.5)
    pen.polygon([top, left, tail, right])
    pen.polygon([top, left, centre], "light")
    pen.line([(15, 2.6), (15, 25.4)], 1.2, "ink")
    pen.line([(3, 10.5), (27, 10.5)], 1.2, "ink")


def baseball_bat(pen: Pen) -> None:
    """A baseball bat, diagonal: fat round barrel at the top, tapering to a wrapped grip and a knob."""
    a, b = (4.3, 27.7), (26, 6)
    bat = [(0, 2.2), (9, 2.3), (16, 3.8), (23, 5.1), (30, 5.4), (32.6, 4.6), (34.2, 2.8), (34.8, 0.2)]
    pen.polygon(_along(a, b, _profile(bat)))
    pen.polygon(_along(a, b, [(16, -2.8), (23, -3.9), (30.5, -3.8), (30.5, -2), (23, -1.8), (16, -1.3)]), "light")
    pen.line(_along(a, b, [(0.4, -2.4), (0.4, 2.4)]), 3, "dark")
    for t in (4.5, 7.5, 10.5):
        pen.line(_along(a, b, [(t - 0.6, -1.9), (t + 0.6, 1.9)]), 1.2, "ink")


def baseball_glove(pen: Pen) -> None:
    """A baseball glove: four fat fingers, a thumb, the web between them, a stitched ball in the palm."""
    for x0, y0, x1, y1 in ((8.0, 15.0, 5.0, 9.0), (13, 14, 11.5, 4.8), (18.5, 14, 18.5, 4.8)):
        pen.line([(x0, y0), (x1, y1)], 6.6, "body")
    pen.line([(25, 23), (27, 13.5)], 6.8, "body")
    pen.polygon([(19, 8), (21.8, 7), (27, 12), (25, 20), (19, 18)], "dark")
    pen.ellipse(3, 10, 28.5, 28.5)
    pen.rect(8, 22, 23, 30.5, "body", 2)
    for x0, y0, x1, y1 in ((8.6, 6.8, 10.4, 15.0), (15, 5, 15.2, 14), (21.6, 7, 21, 13)):
        pen.line([(x0, y0), (x1, y1)], 1.1, "ink")
    pen.line([(9.5, 27.5), (21.5, 27.5)], 1.4, "dark")
    pen.circle(17, 18.5, 5.6, "ink")
    pen.circle(17, 18.5, 4.8, "paper")
    pen.arc(9.2, 13.7, 16.2, 23.3, -60, 60, 0.9, "ink")
    pen.arc(17.8, 13.7, 24.8, 23.3, 120, 240, 0.9, "ink")


def skateboard(pen: Pen) -> None:
    """A skateboard from the side: thick deck with both ends kicked up, two wheels on trucks."""
    for x in (9.5, 22.5):
        pen.rect(x - 2.5, 16, x + 2.5, 22, "dark")
        pen.circle(x, 23, 3.8, "ink")
        pen.circle(x, 23, 1.5, "light")
    pen.line([(5, 11.6), (9, 13.6), (23, 13.6), (27, 11.6)], 7, "body")
    pen.line([(4.2, 9.5), (9.2, 11.8), (22.8, 11.8), (27.8, 9.5)], 1.8, "dark")


def surfboard(pen: Pen) -> None:
    """A surfboard standing, leaning: pointed nose, full belly, rounded tail, stringer, stripes, a fin."""
    a, b = (25.5, 28.6), (6.5, 3.4)
    board = [(0, 2.5), (1.5, 4.6), (6, 6.6), (12, 7.6), (18, 7.3), (24, 5.5), (28.5, 3), (31.6, 0.2)]
    pen.polygon(_along(a, b, _profile(board)))
    pen.polygon(_along(a, b, [(19, -7), (21.5, -6.3), (21.5, 6.3), (19, 7)]), "dark")
    pen.polygon(_along(a, b, [(23, -5.8), (24.5, -5.3), (24.5, 5.3), (23, 5.8)]), "dark")
    pen.line(_along(a, b, [(1, 0), (30.5, 0)]), 1.1, "ink")
    pen.polygon(_along(a, b, [(2, -2.4), (2, 2.4), (7.5, 0)]), "ink")


def tennis_racket(pen: Pen) -> None:
    """A tennis racket, diagonal: fat oval frame, string grid, throat, long grip."""
    a, b = (4.5, 27.5), (27, 5)
    pen.line(_along(a, b, [(0.5, 0), (14, 0)]), 5, "body")
    pen.polygon(_along(a, b, _profile([(8, 1.5), (14, 7)])))
    pen.polygon(_along(a, b, _oval(20.8, 12.2, 10.4)))
    pen.polygon(_along(a, b, _oval(21, 8.8, 7)), "ink")
    pen.polygon(_along(a, b, _oval(21, 8, 6.2)), "light")
    for d in (-4.6, 0, 4.6):
        pen.line(_along(a, b, [(21 + d, -5.2 + abs(d) / 5), (21 + d, 5.2 - abs(d) / 5)]), 1, "dark")
    for d in (-3.2, 0, 3.2):
        pen.line(_along(a, b, [(14 + abs(d) / 4, d), (28 - abs(d) / 4, d)]), 1, "dark")
    pen.line(_along(a, b, [(0.5, 0), (6, 0)]), 5, "dark")


ICONS: dict[str, tuple[Callable[[Pen], None], str]] = {
    "backpack": (backpack, "blue"),
    "umbrella": (umbrella, "black"),
    "handbag": (handbag, "brown"),
    "tie": (tie, "red"),
    "suitcase": (suitcase, "black"),
    "frisbee": (frisbee, "white"),
    "skis": (skis, "red"),
    "snowboard": (snowboard, "black"),
    "sports ball": (sports_ball, "white"),
    "kite": (kite, "red"),
    "baseball bat": (baseball_bat, "brown"),
    "baseball glove": (baseball_glove, "brown"),
    "skateboard": (skateboard, "brown"),
    "surfboard": (surfboard, "white"),
    "tennis racket": (tennis_racket, "black"),
}
