"""Icons of people and animals."""

from __future__ import annotations

from collections.abc import Callable

from evalharness.miniature.world.icons.pen import Pen


def person(pen: Pen) -> None:
    """A person seen from the front, standing, arms held away from the body, legs apart."""
    pen.polygon([(11, 18), (21, 18), (24, 29), (18.6, 29), (16, 22), (13.4, 29), (8, 29)], "dark")
    pen.line([(8.8, 29), (11.4, 29)], 2.8, "ink")
    pen.line([(20.6, 29), (23.2, 29)], 2.8, "ink")
    pen.circle(4.4, 19.2, 2.4, "paper")
    pen.circle(27.6, 19.2, 2.4, "paper")
    pen.line([(11.2, 13.2), (5.2, 17.6)], 4.2, "body")
    pen.line([(20.8, 13.2), (26.8, 17.6)], 4.2, "body")
    pen.polygon([(10, 11.2), (22, 11.2), (21.4, 22.2), (10.6, 22.2)])
    pen.circle(16, 6.6, 5, "paper")
    pen.pie(11, 1.6, 21, 9.2, 180, 360, "ink")
    pen.circle(14.2, 7.4, 0.8, "ink")
    pen.circle(17.8, 7.4, 0.8, "ink")


def bird(pen: Pen) -> None:
    """A plump songbird facing right, beak open, wing folded, tail raised, on two feet."""
    pen.line([(13.5, 24), (13.5, 29.3), (16, 29.3)], 1.8, "ink")
    pen.line([(18.5, 24), (18.5, 29.3), (21, 29.3)], 1.8, "ink")
    pen.polygon([(25.5, 6), (30.4, 8.2), (27.4, 9.2), (30, 11.6), (25.5, 12.5)], "ink")
    pen.polygon([(1.7, 7), (7, 6.5), (13, 14), (8, 20)], "dark")
    pen.ellipse(5, 10, 26, 27)
    pen.circle(21.5, 9.2, 6.4)
    pen.pie(4, 8, 21, 23, 0, 180, "dark")
    pen.arc(7, 11, 18, 20.5, 10, 170, 1.2, "light")
    pen.circle(23, 7.6, 1.8, "paper")
    pen.circle(23.4, 7.6, 1, "ink")


def cat(pen: Pen) -> None:
    """A cat sitting upright, seen from the front: pointed ears, whiskers, tail curled up at the side."""
    pen.line([(20, 27.5), (26.5, 27), (28, 22), (26, 17.5)], 4.2, "dark")
    pen.ellipse(7.5, 14, 24.5, 30.3)
    pen.polygon([(7, 10), (6.5, 1.7), (14, 5.5)])
    pen.polygon([(25, 10), (25.5, 1.7), (18, 5.5)])
    pen.polygon([(8.8, 7), (8.3, 4.4), (11, 5.8)], "light")
    pen.polygon([(23.2, 7), (23.7, 4.4), (21, 5.8)], "light")
    pen.ellipse(5.8, 4.5, 26.2, 19)
    for side in (-1, 1):
        pen.ellipse(16 + side * 5 - 1.8, 8.3, 16 + side * 5 + 1.8, 12.3, "paper")
        pen.ellipse(16 + side * 5 - 0.8, 8.3, 16 + side * 5 + 0.8, 12.3, "ink")
        pen.line([(16 + side * 5.5, 14.6), (16 + side * 12.5, 13.4)], 0.8)
        pen.line([(16 + side * 5.5, 16), (16 + side * 12, 17.4)], 0.8)
    pen.polygon([(14.4, 13.2), (17.6, 13.2), (16, 15.2)], "ink")
    pen.line([(16, 23), (16, 29.8)], 1)


def dog(pen: Pen) -> None:
    """A dog facing right, standing: blunt snout, hanging ear, collar, tail up."""
    pen.line([(5, 16), (3.8, 8)], 4, "body")
    pen.rect(8, 20, 12, 29, "dark", 1.6)
    pen.rect(20, 20, 24, 29, "dark", 1.6)
    pen.rect(3, 14, 23.5, 23.5, "body", 4)
    pen.rect(3, 18, 7.8, 30.3, "body", 1.8)
    pen.rect(16, 18, 20.8, 30.3, "body", 1.8)
    pen.rect(14.5, 6, 23, 20, "body", 3.5)
    pen.rect(13.5, 2.5, 25, 13.2, "body", 4.5)
    pen.rect(19, 7, 30, 13.6, "light", 2.8)
    pen.line([(14.6, 15.2), (23, 15.2)], 1.8, "paper")
    pen.rect(12, 3, 17, 14, "dark", 2.5)
    pen.circle(28.6, 8, 1.7, "ink")
    pen.circle(21, 6.2, 1.2, "ink")


def horse(pen: Pen) -> None:
    """A horse facing right: long raised neck and face, mane, flowing tail, long legs."""
    pen.line([(5, 15.5), (3.6, 19), (3.6, 26)], 4, "dark")
    pen.polygon([(9, 18), (13, 18), (13, 29), (9, 29)], "dark")
    pen.polygon([(17, 18), (21, 18), (21, 29), (17, 29)], "dark")
    pen.rect(4.5, 13, 23.5, 22.5, "body", 4.5)
    pen.rect(5.5, 17, 10, 30.3, "body", 0.8)
    pen.rect(19.5, 17, 24, 30.3, "body", 0.8)
    pen.polygon([(13.5, 14.5), (18.5, 4), (24, 5), (24, 12), (23.5, 18)])
    pen.line([(21.5, 6), (27.2, 11.5)], 5.6, "body")
    pen.polygon([(19, 5), (19.6, 1.6), (23, 4.5)])
    pen.line([(18.7, 3.8), (15.8, 8.5), (13.5, 13.5)], 3.8, "dark")
    pen.circle(23, 6.6, 0.9, "ink")
    pen.circle(27.8, 12.2, 2.5, "light")
    pen.circle(28.6, 11.8, 0.7, "ink")


def sheep(pen: Pen) -> None:
    """A sheep facing right: a cloud of wool, dark face with a drooping ear, short dark legs."""
    pen.rect(7, 22, 11.2, 30.3, "ink", 1)
    pen.rect(17, 22, 21.2, 30.3, "ink", 1)
    for x, y in ((6.2, 12), (11, 8.5), (17, 8.2), (22, 11), (6, 18), (9.5, 21.5), (15, 22.5), (20.5, 21.5), (23, 17)):
        pen.circle(x, y, 4.4)
    pen.ellipse(5, 8, 23, 23)
    for x, y in ((8, 13), (14, 12), (11, 17.5), (17, 17.5)):
        pen.arc(x - 2.2, y - 2, x + 2.2, y + 2, 10, 170, 1.1, "dark")
    pen.ellipse(20.5, 9.5, 30, 19.5, "ink")
    pen.ellipse(17.8, 9.8, 23.5, 13.8, "ink")
    pen.circle(23.3, 8.6, 3.6)
    pen.circle(26, 13, 1.3, "paper")


def cow(pen: Pen) -> None:
    """A cow facing right: boxy body with patches, horns, broad muzzle, udder, thin tail."""
    pen.line([(3.6, 12), (3, 21)], 2.4, "dark")
    pen.ellipse(8, 20, 15, 26, "light")
    pen.rect(4, 20, 8.4, 30.3, "dark", 0.8)
    pen.rect(15.5, 20, 20, 30.3, "dark", 0.8)
    pen.rect(3, 9.5, 22.5, 23.5, "body", 2.5)
    pen.ellipse(5, 9.6, 11.5, 15.5, "ink")
    pen.ellipse(10, 16, 16.5, 22, "ink")
    pen.line([(20.6, 6.5), (19, 2.8)], 2.4, "paper")
    pen.line([(27.4, 6.5), (28.6, 2.8)], 2.4, "paper")
    pen.line([(18.5, 9), (29, 9)], 2.6, "dark")
    pen.rect(19, 5.5, 29, 18, "body", 3)
    pen.rect(18, 13.5, 30, 20, "light", 3)
    pen.circle(21.8, 10, 1.1, "ink")
    pen.circle(26.2, 10, 1.1, "ink")
    pen.circle(21.8, 16.8, 1, "ink")
    pen.circle(26.2, 16.8, 1, "ink")


def elephant(pen: Pen) -> None:
    """An elephant facing right: huge body, large ear, long trunk, tusk, pillar legs."""
    pen.line([(3.4, 13), (2.8, 20)], 2.2, "dark")
    pen.rect(8.5, 20, 13, 29.5, "dark", 0.8)
    pen.rect(3, 5.5, 23, 24, "body", 8)
    pen.rect(3.5, 16, 9, 30.3, "body", 1)
    pen.rect(14.5, 16, 20, 30.3, "body", 1)
    pen.circle(21.5, 10, 7.2)
    pen.line([(25.5, 12), (27, 17), (26.6, 24), (28.2, 27.6)], 4.4, "body")
    pen.line([(23.2, 17), (24, 20), (23, 22)], 2.2, "paper")
    pen.ellipse(11, 3.5, 21, 19, "dark")
    pen.ellipse(12.8, 5.5, 19.5, 16.5, "light")
    pen.circle(24, 8.5, 1.1, "ink")
    for y in (18, 21.5):
        pen.line([(25.6, y), (28, y)], 0.8)


def bear(pen: Pen) -> None:
    """A bear on all fours facing right: massive humped body, big head with round ears, clawed paws."""
    pen.rect(8.5, 20, 12.5, 28.8, "dark", 1.5)
    pen.rect(20, 18, 24.5, 28.8, "dark", 1.5)
    pen.ellipse(2, 8.5, 19, 25)
    pen.ellipse(7, 5.8, 23, 23.5)
    pen.rect(2.5, 17, 8.5, 30.3, "body", 2)
    pen.rect(14, 17, 20, 30.3, "body", 2)
    for x in (18.2, 26.4):
        pen.circle(x, 6, 2.9)
        pen.circle(x, 6, 1.6, "dark")
    pen.ellipse(15.8, 5.6, 29, 18.4, "body")
    pen.arc(15.8, 5.6, 29, 18.4, 70, 205, 1, "dark")
    pen.rect(21.4, 11.6, 30.3, 18.2, "light", 3)
    pen.ellipse(26.4, 11.4, 30.2, 14.4, "ink")
    pen.circle(20.8, 9.8, 1.1, "ink")
    pen.circle(25.6, 9.6, 1.1, "ink")
    for x in (4.2, 6.6, 15.8, 18.2):
        pen.line([(x, 28.6), (x, 29.8)], 0.9, "paper")


def zebra(pen: Pen) -> None:
    """A zebra facing left: horse-like, thick upright stripes, brush mane, dark muzzle."""
    pen.line([(27, 14.5), (29, 18), (29, 23)], 2.8, "ink")
    pen.rect(18.5, 20, 22.5, 29.5, "dark", 0.6)
    pen.rect(11, 20, 15, 29.5, "dark", 0.6)
    pen.line([(11, 4.4), (14, 7.8), (17, 12.2)], 2.8, "ink")
    pen.rect(8.5, 12.5, 28, 23, "body", 4.5)
    pen.polygon([(9, 20), (7.8, 4.4), (12.6, 4), (19, 14)])
    pen.line([(9.6, 6.4), (4.6, 11.4)], 5.4, "body")
    pen.polygon([(8.5, 4.5), (10, 1.7), (12, 4.5)])
    pen.circle(4.3, 11.9, 2.4, "ink")
    pen.rect(7.5, 17, 12, 30.3, "body", 0.6)
    pen.rect(23, 17, 27.5, 30.3, "body", 0.6)
    for points in ([(9.5, 12.2), (13.5, 8.8)], [(9.8, 17.2), (16, 12.6)]):
        pen.line(points, 1.5)
    for x in (15.2, 19, 22.8):
        pen.line([(x, 14), (x, 21.6)], 1.5)
    for x in (8.4, 23.9):
        pen.line([(x, 25), (x + 2.8, 25)], 1.4)
    pen.circle(8.2, 7.4, 0.8, "ink")


def giraffe(pen: Pen) -> None:
    """A giraffe facing right: very long upright neck, horns, small head, patches, long legs."""
    pen.line([(5.4, 17.5), (3.6, 23)], 2.6, "dark")
    pen.rect(9.6, 21, 13.6, 29, "dark", 0.6)
    pen.rect(15.2, 21, 19.2, 29, "dark", 0.6)
    pen.polygon([(4.4, 23.4), (4.6, 17), (15, 15.4), (17, 4), (22.8, 4), (22.6, 23.4)])
    pen.rect(5, 20, 9.4, 30.3, "body", 0.8)
    pen.rect(18.6, 20, 23, 30.3, "body", 0.8)
    pen.line([(18.4, 5), (18, 2.4)], 1.8, "dark")
    pen.line([(21.4, 5), (21.8, 2.4)], 1.8, "dark")
    pen.polygon([(17, 5), (22, 3.6), (30.2, 6), (30.2, 9.4), (22.5, 9.6)])
    pen.rect(27, 5.6, 30.3, 9.6, "light", 1)
    for x, y, r in ((18.6, 8.4, 1.2), (21, 11.6, 1.3), (17.8, 13, 1.4), (20.6, 16, 1.4), (17, 18, 1.5)):
        pen.rect(x - r, y - r, x + r, y + r, "ink", 0.6)
    for x, y, r in ((13, 19, 1.6), (9.4, 18.6, 1.4), (6.6, 20.6, 1.3), (11, 22, 1.1), (20.4, 20.6, 1.4)):
        pen.rect(x - r, y - r, x + r, y + r, "ink", 0.6)
    pen.circle(23.8, 6.4, 0.9, "ink")


def teddy_bear(pen: Pen) -> None:
    """A teddy bear sitting, seen from the front: round ears, pale muzzle and soles, arms spread, bow tie."""
    for side in (-1, 1):
        pen.circle(16 + side * 7.4, 5.2, 3.6)
        pen.circle(16 + side * 7.4, 5.2, 1.8, "light")
        pen.line([(16 + side * 6, 18.5), (16 + side * 11.4, 17)], 5.4, "body")
    pen.ellipse(8, 14, 24, 29.5)
    pen.ellipse(11.8, 18.6, 20.2, 27, "light")
    for side in (-1, 1):
        pen.circle(16 + side * 8.6, 25.8, 4.5)
        pen.circle(16 + side * 8.6, 25.8, 2.4, "light")
    pen.ellipse(7, 2.5, 25, 17)
    pen.ellipse(12, 9, 20, 15.5, "light")
    pen.ellipse(14.4, 9.4, 17.6, 11.8, "ink")
    pen.line([(16, 11.5), (16, 13.6)], 0.8)
    for side in (-1, 1):
        pen.circle(16 + side * 4, 7.8, 1.2, "ink")
        pen.polygon([(16, 18), (16 + side * 4, 15.8), (16 + side * 4, 20.2)], "dark")


ICONS: dict[str, tuple[Callable[[Pen], None], str]] = {
    "person": (person, "blue"),
    "bird": (bird, "brown"),
    "cat": (cat, "orange"),
    "dog": (dog, "brown"),
    "horse": (horse, "brown"),
    "sheep": (sheep, "white"),
    "cow": (cow, "white"),
    "elephant": (elephant, "brown"),
    "bear": (bear, "brown"),
    "zebra": (zebra, "white"),
    "giraffe": (giraffe, "yellow"),
    "teddy bear": (teddy_bear, "brown"),
}
