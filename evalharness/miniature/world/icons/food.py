"""Icons of tableware and food."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, radians, sin

from evalharness.miniature.world.icons.pen import Pen


def bottle(pen: Pen) -> None:
    """A wine bottle, upright: cap, neck, shoulders, a label with a line of text."""
    pen.rect(12, 2, 20, 16, radius=1)
    pen.polygon([(12, 9), (20, 9), (25, 16), (7, 16)])
    pen.rect(7, 14, 25, 30, radius=2.5)
    pen.rect(11.2, 2, 20.8, 6, "dark", radius=1)
    pen.rect(9, 13.5, 11.5, 28, "light", radius=1.2)
    pen.rect(12.5, 19, 25, 26, "paper")
    pen.line([(15, 22.5), (22, 22.5)], 1.4)


def wine_glass(pen: Pen) -> None:
    """A wine glass: a deep round bowl half full of wine, a stem, a wide foot."""
    pen.polygon([(7.6, 1.8), (24.4, 1.8), (27.5, 9), (4.5, 9)], "light")
    pen.pie(4.5, -1, 27.5, 19.5, 0, 180)
    pen.rect(13.7, 17, 18.3, 29)
    pen.pie(5.5, 25, 26.5, 35, 180, 360)
    pen.ellipse(4.5, 7, 27.5, 12, "dark")
    pen.arc(8, 3, 24, 17, 100, 165, 1.6, "light")


def cup(pen: Pen) -> None:
    """A mug with a large handle on the right and a drink in it."""
    pen.ellipse(14.5, 8.5, 30.5, 25)
    pen.ellipse(18.5, 12.8, 26.2, 20.8, "hole")
    pen.rect(2, 6, 22.5, 30, radius=4)
    pen.rect(4.2, 13, 7, 26, "light", radius=1.4)
    pen.ellipse(2, 2, 22.5, 11, "light")
    pen.ellipse(4.3, 3.7, 20.2, 9.5, "ink")


def fork(pen: Pen) -> None:
    """A fork, upright: three tines above a handle."""
    for x in (6.5, 16.0, 25.5):
        pen.rect(x - 2.6, 1.8, x + 2.6, 14, radius=2.2)
    pen.rect(3.9, 9.5, 28.1, 13, radius=1)
    pen.pie(3.9, 5.5, 28.1, 19, 0, 180)
    pen.rect(12.4, 16, 19.6, 30.2, radius=3.2)
    pen.rect(14.9, 20, 17.1, 27.8, "dark", radius=1.1)


def knife(pen: Pen) -> None:
    """A kitchen knife, diagonal: a broad pointed blade up right, a riveted handle down left."""
    pen.line([(5.8, 26.2), (12, 20)], 8, "dark")
    pen.polygon([(6.6, 17.3), (23.5, 2), (30.2, 1.8), (30, 7.5), (27, 14.8), (21.8, 21), (14.8, 25.6)])
    pen.polygon([(14.8, 25.6), (21.8, 21), (27, 14.8), (30, 7.5), (24, 14.8), (18.4, 20.2), (12.6, 23.4)], "light")
    pen.circle(5.8, 26.2, 1.1, "paper")
    pen.circle(9.4, 22.6, 1.1, "paper")


def spoon(pen: Pen) -> None:
    """A spoon, diagonal: an egg-shaped hollow head up left, a handle down right that widens."""
    for i in range(21):
        pen.circle(10 + 0.24 * i, 10 + 0.24 * i, 8.3 - 0.13 * i)
    for i in range(21):
        pen.circle(16 + 0.55 * i, 16 + 0.55 * i, 3 + 0.025 * i)
    for i in range(11):
        pen.circle(9.6 + 0.34 * i, 9.6 + 0.34 * i, 5.4 - 0.16 * i, "dark")
    pen.arc(5, 5, 16, 16, 160, 250, 1.6, "light")
    pen.line([(21, 21), (26, 26)], 1.8, "dark")


def bowl(pen: Pen) -> None:
    """A wide, deep bowl on a foot, its open top seen from above, a zigzag band around it."""
    pen.rect(10, 24, 22, 29.5, "dark", radius=1)
    pen.pie(1.6, -8.5, 30.4, 27.8, 0, 180)
    pen.ellipse(1.6, 4.5, 30.4, 14.2, "light")
    pen.ellipse(4.2, 6.2, 27.8, 12.5, "dark")
    pen.line([(5.5, 15.6), (9, 19), (12.5, 16.6), (16, 20), (19.5, 16.6), (23, 19), (26.5, 15.6)], 1.5, "paper")


def banana(pen: Pen) -> None:
    """A banana, curved like a smile, stem at the upper right, a ridge along it."""
    for i in range(61):
        a = radians(20 + 2.6 * i)
        pen.circle(16.8 + 12.4 * cos(a), 9.6 + 12.4 * sin(a), 1.8 + 5 * sin(pi * i / 60))
    pen.line([(27, 16), (27.8, 9.5)], 4.6, "dark")
    pen.circle(4.4, 11, 2.2, "ink")
    pen.arc(4.5, -1, 28, 23, 32, 160, 1.5, "dark")


def apple(pen: Pen) -> None:
    """An apple: two lobes, a notch at the top with a stem and a leaf."""
    pen.ellipse(2, 8, 19, 28)
    pen.ellipse(13, 8, 30, 28)
    pen.ellipse(6, 16, 17.5, 30.2)
    pen.ellipse(14.5, 16, 26, 30.2)
    pen.rect(10, 12, 22, 28)
    pen.arc(10, 6.5, 22, 13.5, 20, 160, 1.6, "dark")
    pen.line([(16, 11.5), (14.5, 3.5)], 2.8, "ink")
    pen.polygon([(16.5, 8), (18, 4), (22, 2), (27, 2.2), (25.5, 6), (22, 8.2)], "light")
    pen.ellipse(5, 12, 9.5, 19, "light")


def sandwich(pen: Pen) -> None:
    """A wedge of a sandwich: the slice on top seen from above, under it lettuce, ham and the lower slice."""
    pen.polygon([(19, 2), (22, 2), (30, 14), (2, 14)])
    pen.line([(3.5, 13.5), (19.8, 3.2), (28.8, 13.5)], 2.4, "dark")
    pen.rect(2, 13, 30, 18.4, radius=1.5)
    pen.rect(2, 24, 30, 30, radius=1.5)
    pen.rect(2.5, 20, 29.5, 24.4, "dark")
    pen.line([(x, 20.8 if i % 2 else 18.8) for i, x in enumerate((3.2, 7.4, 11.6, 15.8, 20, 24.2, 28.6))], 2.6, "paper")
    pen.line([(3, 24.2), (29, 24.2)], 1, "ink")
    pen.line([(3, 14.6), (29, 14.6)], 1.2, "light")


def orange(pen: Pen) -> None:
    """An orange cut in half: the rind, the pith and the segments of the fruit, a leaf on top."""
    pen.polygon([(16, 6.5), (18.5, 2.6), (24, 1.8), (29, 3.6), (26, 8), (20, 9)], "dark")
    pen.circle(16, 17.2, 13.2)
    pen.circle(16, 17.2, 10.8, "paper")
    for a in range(0, 360, 60):
        x, y = 16 + 1.6 * cos(radians(a)), 17.2 + 1.6 * sin(radians(a))
        pen.pie(x - 8.4, y - 8.4, x + 8.4, y + 8.4, a - 26, a + 26)


def broccoli(pen: Pen) -> None:
    """A floret of broccoli: a crown of round buds on a thick, forked stalk."""
    pen.polygon([(5, 15), (27, 15), (20.5, 22.5), (21, 30), (11, 30), (11.5, 22.5)], "light")
    for x, y, r in ((7.3, 13.8, 5.7), (24.7, 13.8, 5.7), (11.5, 8, 6), (20.5, 8, 6), (16, 12, 7)):
        pen.circle(x, y, r)
    for x, y in ((5.8, 13), (26.2, 13), (11, 6.6), (20.8, 6.6), (16, 12.5)):
        pen.arc(x - 3, y - 2.6, x + 3, y + 3.4, 20, 160, 1.8, "dark")
    pen.line([(14, 23.5), (16, 26)], 1.2, "dark")


def carrot(pen: Pen) -> None:
    """A carrot, diagonal, tip at the lower left, three leaves at the upper right."""
    for x, y in ((19.5, 4.2), (27, 5), (27.8, 12.5)):
        pen.line([(21, 11), (x, y)], 4.8, "dark")
    for i in range(41):
        pen.circle(4 + 15 * i / 40, 28 - 15 * i / 40, 2 + 6.4 * i / 40)
    for (x0, y0), (x1, y1) in (((11.5, 12), (15.5, 15)), ((20, 19.5), (16.8, 17.5)), ((8, 19.2), (11, 21.5))):
        pen.line([(x0, y0), (x1, y1)], 1.4, "ink")
    pen.line([(18.5, 8.8), (20.4, 9.6)], 1.6, "light")


def hot_dog(pen: Pen) -> None:
    """A hot dog, diagonal: a sausage longer than its bun, a zigzag of mustard on it."""
    pen.line([(8.5, 17.5), (17.5, 8.5)], 13, "body")
    pen.line([(14.5, 23.5), (23.5, 14.5)], 13, "body")
    pen.line([(5.6, 26.4), (26.4, 5.6)], 8.2, "ink")
    pen.line([(5.6, 26.4), (26.4, 5.6)], 6.4, "dark")
    zigzag = [(5.8, 24), (9.2, 25), (10, 19.8), (14.4, 19.8), (14.8, 15), (19.4, 14.8), (20, 9.8), (24.2, 9.8), (25, 6)]
    pen.line(zigzag, 1.6, "light")
    pen.line([(7.5, 15), (14, 8.5)], 1.6, "light")


def pizza(pen: Pen) -> None:
    """A slice of pizza, tip down: a puffy crust, slices of salami, cheese that drips."""
    pen.polygon([(2.5, 7), (29.5, 7), (17.2, 30.2), (14.8, 30.2)])
    pen.line([(9.5, 16), (9.5, 23.5)], 4, "body")
    pen.line([(4, 6.4), (10, 4.8), (16, 4.2), (22, 4.8), (28, 6.4)], 4.8, "dark")
    for x, y in ((10.5, 12.4), (21, 12.8), (16, 20.4)):
        pen.circle(x, y, 2.6, "ink")
        pen.circle(x, y, 1.6, "dark")


def donut(pen: Pen) -> None:
    """A donut from above: a hole, icing with a wavy edge, sprinkles."""
    pen.circle(16, 16, 14.4, "dark")
    for a in range(0, 360, 45):
        pen.circle(16 + 9 * cos(radians(a)), 16 + 9 * sin(radians(a)), 4.6)
    pen.circle(16, 16, 12)
    pen.circle(16, 16, 6, "dark")
    pen.circle(16, 16, 4.6, "hole")
    for i, a in enumerate(range(10, 370, 40)):
        x, y, t = 16 + 9.3 * cos(radians(a)), 16 + 9.3 * sin(radians(a)), radians(a * 2.3)
        pen.line([(x - cos(t), y - sin(t)), (x + cos(t), y + sin(t))], 1.5, "ink" if i % 3 == 1 else "paper")


def cake(pen: Pen) -> None:
    """A birthday cake: two tiers, icing that drips from each, a candle with a flame on top."""
    pen.rect(14, 5, 18, 12, "paper")
    pen.polygon([(16, 1.6), (18.3, 4.8), (16, 7), (13.7, 4.8)], "dark")
    pen.rect(6.5, 10, 25.5, 22, radius=2)
    pen.rect(2, 19, 30, 30.2, radius=2)
    for x0, y0, n in ((6.5, 10, 4), (2, 19, 6)):
        pen.rect(x0, y0, 32 - x0, y0 + 1.8, "paper", radius=0.9)
        for i in range(n):
            pen.rect(x0 + 4.8 * i, y0, x0 + 4.8 * i + 4, y0 + (4.2 if i % 2 else 2.4), "paper", radius=1.2)
    pen.rect(2, 28.2, 30, 30.2, "dark", radius=1)


ICONS: dict[str, tuple[Callable[[Pen], None], str]] = {
    "bottle": (bottle, "green"),
    "wine glass": (wine_glass, "white"),
    "cup": (cup, "white"),
    "fork": (fork, "white"),
    "knife": (knife, "white"),
    "spoon": (spoon, "white"),
    "bowl": (bowl, "white"),
    "banana": (banana, "yellow"),
    "apple": (apple, "red"),
    "sandwich": (sandwich, "brown"),
    "orange": (orange, "orange"),
    "broccoli": (broccoli, "green"),
    "carrot": (carrot, "orange"),
    "hot dog": (hot_dog, "brown"),
    "pizza": (pizza, "yellow"),
    "donut": (donut, "brown"),
    "cake": (cake, "pink"),
}
