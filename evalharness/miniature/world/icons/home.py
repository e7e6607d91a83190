"""Icons of the things in a home: furniture, electronics, appliances, indoor objects."""

from __future__ import annotations

from collections.abc import Callable

from evalharness.miniature.world.icons.pen import Pen


def chair(pen: Pen) -> None:
    """A wooden chair half from the side, a tall back of three slats on the left, four fat legs."""
    pen.rect(10.5, 20, 14.5, 27, "dark")
    pen.rect(19, 20, 22.5, 27, "dark")
    pen.rect(3, 1.5, 19, 18, radius=2)
    pen.rect(7.2, 6, 9.4, 15, "hole")
    pen.rect(12.6, 6, 14.8, 15, "hole")
    pen.polygon([(3, 15), (20, 15), (28.5, 20), (28.5, 23.5), (5, 23.5), (3, 20)])
    pen.polygon([(5, 16.5), (19.5, 16.5), (25.5, 20), (7.5, 20)], "light")
    pen.rect(7, 20.3, 28.5, 21.4, "dark")
    pen.rect(3, 15, 7.5, 30.3, radius=1)
    pen.rect(24, 21, 28.5, 30.3, radius=1)


def couch(pen: Pen) -> None:
    """A couch from the front, two high back cushions, two seats, low round arms, short feet."""
    pen.rect(3, 24, 7.5, 29, "dark")
    pen.rect(24.5, 24, 29, 29, "dark")
    pen.rect(5, 4.5, 27, 24, radius=3)
    pen.rect(15.4, 5, 16.6, 17, "ink")
    pen.rect(6, 16.5, 26, 21, "light")
    pen.rect(6, 15.7, 26, 16.8, "ink")
    pen.rect(15.4, 16, 16.6, 21, "ink")
    pen.rect(2, 20.5, 30, 26.5, radius=1.5)
    pen.rect(6, 20.5, 26, 21.6, "ink")
    for x, inner in ((1.5, 6.6), (25.6, 24.4)):
        pen.rect(inner, 13, inner + 1, 26.5, "ink")
        pen.rect(x, 12, x + 4.9, 26.5, radius=2.4)


def potted_plant(pen: Pen) -> None:
    """A bunch of pointed leaves that fans out of a flowerpot."""
    pen.polygon([(16, 22), (6, 20), (1.5, 12), (10, 13)])
    pen.polygon([(16, 22), (26, 20), (30.5, 12), (22, 13)])
    pen.polygon([(16, 22), (8, 14), (6.5, 4), (14, 9)])
    pen.polygon([(16, 22), (24, 14), (25.5, 4), (18, 9)])
    pen.polygon([(16, 22), (11.5, 11), (16, 1.5), (20.5, 11)])
    pen.line([(16, 6), (16, 20)], 1.2, "light")
    pen.line([(9, 8), (15, 20)], 1.2, "dark")
    pen.line([(23, 8), (17, 20)], 1.2, "dark")
    pen.line([(5, 14.5), (14, 20)], 1.2, "light")
    pen.line([(27, 14.5), (18, 20)], 1.2, "light")
    pen.polygon([(9, 22), (23, 22), (21, 30.5), (11, 30.5)], "dark")
    pen.rect(7.5, 19.5, 24.5, 23.5, "dark", radius=1)
    pen.rect(9, 23.5, 23, 24.5, "ink")


def bed(pen: Pen) -> None:
    """A bed from the side, a high headboard on the left, pillow, blanket, low footboard."""
    pen.rect(4, 17, 28, 26.5)
    pen.rect(5, 11, 14.5, 18.5, "paper", radius=2.5)
    pen.polygon([(11, 26.5), (11, 18), (14, 13.5), (21, 11.5), (27, 13), (27, 26.5)])
    pen.polygon([(11, 21), (11, 18), (14, 13.5), (18, 12.4), (15.5, 17), (15.5, 21)], "light")
    pen.rect(6, 21, 26, 22.2, "ink")
    pen.rect(1.5, 4, 6.5, 30, radius=1.5)
    pen.rect(4.5, 6, 6.5, 30, "dark")
    pen.rect(25.5, 13, 30.5, 30, radius=1.5)
    pen.rect(25.5, 15, 27.5, 30, "dark")


def dining_table(pen: Pen) -> None:
    """A table seen from a little above, a wide top with a plate, four fat legs."""
    pen.rect(8, 16, 12, 24, "dark")
    pen.rect(20, 16, 24, 24, "dark")
    pen.rect(2.5, 16, 7.5, 29)
    pen.rect(24.5, 16, 29.5, 29)
    pen.polygon([(7, 4), (25, 4), (30.5, 15), (30.5, 19), (1.5, 19), (1.5, 15)])
    pen.rect(1.5, 15.5, 30.5, 19, "dark")
    pen.ellipse(10, 6.5, 22, 13, "paper")
    pen.ellipse(13, 8, 19, 11.5, "light")


def toilet(pen: Pen) -> None:
    """A toilet from the side, cistern on the left, raised lid, bowl and foot."""
    pen.rect(2, 3, 11, 18, radius=1.5)
    pen.rect(2, 3, 11, 6, "light", radius=1)
    pen.polygon([(11.5, 5), (15.5, 5), (14.5, 17), (10.5, 17)], "dark")
    pen.polygon([(5, 17), (20, 20), (19, 25), (21, 30), (7, 30), (8, 25)])
    pen.pie(2.5, 5.5, 30, 29, 0, 180)
    pen.polygon([(9, 29), (9.5, 25), (19, 25), (20, 30), (8, 30)], "dark")
    pen.rect(9, 15.5, 30.5, 19, "light", radius=1.5)
    pen.rect(10, 19, 29.5, 20, "ink")
    pen.rect(4, 8, 8, 9.5, "ink")


def tv(pen: Pen) -> None:
    """A television set with a V of aerials, a big shining screen, two knobs, two feet."""
    pen.line([(16, 10), (9, 3.5)], 3.4, "dark")
    pen.line([(16, 10), (23, 3.5)], 3.4, "dark")
    pen.polygon([(5, 26), (11, 26), (9, 30.5), (4, 30.5)], "dark")
    pen.polygon([(21, 26), (27, 26), (28, 30.5), (23, 30.5)], "dark")
    pen.rect(1.5, 8, 30.5, 28, radius=3)
    pen.rect(4.5, 11, 23, 25, "ink", radius=3)
    pen.rect(5.5, 12, 22, 24, "light", radius=2.5)
    pen.polygon([(14, 12), (18.5, 12), (10.5, 24), (6.5, 23.2)], "paper")
    pen.circle(26.7, 14, 1.8, "ink")
    pen.circle(26.7, 19.5, 1.8, "ink")


def laptop(pen: Pen) -> None:
    """An open laptop from the front, upright screen, keyboard and touch pad in perspective."""
    pen.rect(4.5, 3, 27.5, 20, radius=1.5)
    pen.rect(7, 5.5, 25, 17, "dark")
    pen.polygon([(7, 5.5), (17, 5.5), (10, 17), (7, 17)], "light")
    pen.polygon([(5, 19), (27, 19), (30.5, 28), (30.5, 29.5), (1.5, 29.5), (1.5, 28)])
    pen.rect(4.5, 18.3, 27.5, 19.2, "ink")
    pen.polygon([(6.5, 20.5), (25.5, 20.5), (27, 24.5), (5, 24.5)], "ink")
    pen.rect(6, 22.1, 26, 22.9, "body")
    pen.polygon([(12.5, 25.5), (19.5, 25.5), (20, 28), (12, 28)], "dark")


def computer_mouse(pen: Pen) -> None:
    """A computer mouse from above, two buttons, a wheel, a curled cable."""
    pen.line([(17, 11), (17, 7), (14, 4), (9, 4), (5, 6.5)], 3.6, "dark")
    pen.ellipse(7, 8, 27, 30.5)
    pen.rect(7, 8.5, 27, 22, radius=8)
    pen.rect(7.2, 18, 26.8, 19.4, "ink")
    pen.rect(16.3, 9, 17.7, 18, "ink")
    pen.rect(14.8, 11, 19.2, 17, "ink", radius=2)
    pen.rect(15.9, 12, 18.1, 16, "paper", radius=1)
    pen.line([(11.5, 22), (14, 26)], 1.8, "light")


def tv_remote(pen: Pen) -> None:
    """A remote control on the diagonal, a big round pad, rows of buttons."""
    pen.line([(8, 24), (24, 8)], 13, "body")
    pen.polygon([(9.2, 30.2), (1.8, 22.8), (3.5, 19.6), (12.4, 28.5)], "dark")
    pen.circle(23, 9, 4.3, "ink")
    pen.circle(23, 9, 2.2, "light")
    for along in (0, 4.6, 9.2):
        for aside in (-3.2, 0, 3.2):
            x, y = 17.6 - along + aside, 14.4 + along + aside
            pen.circle(x, y, 1.3, "paper" if aside else "ink")


def computer_keyboard(pen: Pen) -> None:
    """A wide flat keyboard, three rows of keys and a space bar, a stub of cable."""
    pen.line([(16, 10), (16, 6), (22, 4.5)], 3.6, "dark")
    pen.rect(1.5, 8.5, 30.5, 27.5, radius=2)
    pen.rect(2, 25.5, 30, 27.5, "dark", radius=1)
    for y in (10.7, 14.3, 17.9):
        for column in range(6):
            pen.rect(3.6 + 4.3 * column, y, 6.3 + 4.3 * column, y + 2, "ink")
    for x0, x1 in ((3.6, 6.3), (7.9, 23.5), (25.1, 27.8)):
        pen.rect(x0, 21.5, x1, 23.5, "ink")


def cell_phone(pen: Pen) -> None:
    """A smartphone upright, rounded, a bright screen with app tiles, a round home button."""
    pen.rect(7, 1.5, 25, 30.5, radius=3)
    pen.rect(9.5, 5.5, 22.5, 25, "light")
    for y in (7.5, 12.5):
        for x in (10.8, 14.6, 18.4):
            pen.rect(x, y, x + 2.8, y + 3, "dark", radius=0.6)
    pen.rect(13, 3, 19, 4.1, "ink", radius=0.5)
    pen.circle(16, 27.8, 1.6, "ink")


def microwave(pen: Pen) -> None:
    """A microwave oven, wide and low, window on the left, keypad on the right."""
    pen.rect(4, 24, 9, 27.5, "dark")
    pen.rect(23, 24, 28, 27.5, "dark")
    pen.rect(1.5, 6, 30.5, 25.5, radius=1.5)
    pen.rect(4, 9.5, 18, 22, "ink", radius=2)
    pen.rect(5, 10.5, 17, 21, "dark", radius=1.5)
    pen.ellipse(6.5, 17, 15.5, 20, "light")
    pen.rect(19.3, 8.5, 21, 23, "ink", radius=0.8)
    pen.rect(23, 8.5, 29, 11.5, "ink")
    for y in (13, 16.2, 19.4):
        pen.rect(23, y, 25.5, y + 2.1, "paper")
        pen.rect(26.5, y, 29, y + 2.1, "paper")


def oven(pen: Pen) -> None:
    """A kitchen range, hob rings on top, a row of knobs, a door with handle and window, a drawer."""
    pen.polygon([(6, 2), (26, 2), (28.5, 8), (3.5, 8)], "dark")
    pen.ellipse(7.5, 3.2, 14.5, 6.8, "ink")
    pen.ellipse(17.5, 3.2, 24.5, 6.8, "ink")
    pen.rect(3.5, 8, 28.5, 30.5, radius=1)
    for x in (6.5, 12.8, 19.2, 25.5):
        pen.circle(x, 10.5, 1.5, "ink")
    pen.rect(3.5, 13, 28.5, 14, "dark")
    pen.rect(6, 15, 26, 16.8, "paper", radius=0.9)
    pen.rect(7.5, 18.3, 24.5, 24.5, "ink", radius=1)
    pen.rect(8.5, 21, 23.5, 22, "light")
    pen.rect(3.5, 26, 28.5, 27, "dark")


def toaster(pen: Pen) -> None:
    """A rounded toaster, two slices of toast that stick out, a lever on the right side."""
    for x in (5.5, 15.5):
        pen.rect(x, 3, x + 8.5, 14, "paper", radius=3)
        pen.rect(x + 1.8, 4.8, x + 6.7, 14, "light", radius=2)
    pen.rect(25, 15.5, 30.5, 19.5, "dark", radius=1)
    pen.rect(4, 26, 9, 30, "dark")
    pen.rect(20, 26, 25, 30, "dark")
    pen.rect(1.5, 10.5, 27.5, 28, radius=5)
    pen.rect(4.5, 11, 24.5, 12.6, "ink", radius=0.8)
    pen.rect(5, 16, 7, 24, "light", radius=1)
    pen.circle(21.5, 22.5, 2.4, "ink")


def sink(pen: Pen) -> None:
    """A kitchen sink seen from a little above, a wide square basin with a drain, an arched tap behind it."""
    tap = [(23, 10.5), (23, 6), (21, 4), (14.5, 4), (12.5, 6), (12.5, 14)]
    pen.polygon([(4, 10), (28, 10), (30.5, 22), (1.5, 22)])
    pen.rect(1.5, 20, 30.5, 29.5, radius=2)
    pen.rect(3.5, 26, 28.5, 27.5, "light")
    pen.polygon([(6.5, 13), (25.5, 13), (27, 24.5), (5, 24.5)], "ink")
    pen.polygon([(7.5, 14), (24.5, 14), (25.8, 23.5), (6.2, 23.5)], "dark")
    pen.polygon([(10, 18), (22, 18), (25.8, 23.5), (6.2, 23.5)])
    pen.ellipse(13.5, 19.3, 18.5, 22.3, "ink")
    pen.line(tap, 5, "ink")
    pen.line(tap, 3.4, "paper")


def refrigerator(pen: Pen) -> None:
    """A tall refrigerator, small freezer door above, large door below, two handles."""
    pen.rect(8, 28, 12, 30.5, "dark")
    pen.rect(20, 28, 24, 30.5, "dark")
    pen.rect(6, 1.5, 26, 29, radius=1.5)
    pen.rect(23.5, 2.5, 26, 28.5, "dark")
    pen.rect(6, 10.5, 26, 12, "ink")
    pen.rect(8.2, 5, 10.2, 9, "ink", radius=1)
    pen.rect(8.2, 14, 10.2, 21.5, "ink", radius=1)
    pen.rect(14, 4, 21.5, 5.5, "light")
    pen.rect(14, 14.5, 20, 19, "paper")


def book(pen: Pen) -> None:
    """A closed thick book standing aslant, dark spine, white page edges, a title on the cover."""
    pen.polygon([(4, 7), (18, 1.5), (29, 21), (29, 25.5), (14, 30.5), (4, 12)], "dark")
    pen.polygon([(14.5, 26), (28, 21), (28, 24.7), (14.8, 29)], "paper")
    pen.line([(15, 27.6), (27.5, 23)], 0.6, "ink")
    pen.polygon([(4, 7), (18, 1.5), (29, 20.5), (14, 26)])
    pen.polygon([(10, 9), (17.5, 6), (20.5, 11.2), (13, 14.2)], "paper")
    pen.line([(12.3, 10.2), (17, 8.3)], 1, "ink")
    pen.line([(13.8, 12.3), (18.2, 10.5)], 1, "ink")


def clock(pen: Pen) -> None:
    """An alarm clock with two bells on top and two feet, a light face, two hands."""
    pen.line([(9, 25), (6, 28)], 4, "dark")
    pen.line([(23, 25), (26, 28)], 4, "dark")
    pen.circle(7.5, 7, 4.7, "dark")
    pen.circle(24.5, 7, 4.7, "dark")
    pen.rect(13.5, 1.5, 18.5, 7, "dark", radius=1)
    pen.circle(16, 17.3, 12.5)
    pen.circle(16, 17.3, 7.8, "ink")
    pen.circle(16, 17.3, 6.9, "paper")
    pen.line([(16, 12.6), (16, 17.3), (19.5, 19.2)], 1.7, "ink")


def vase(pen: Pen) -> None:
    """A big-bellied vase, flared lip, narrow neck, two ears, a zigzag band."""
    pen.arc(4, 5, 16, 17, 90, 290, 3.2, "dark")
    pen.arc(16, 5, 28, 17, 250, 90, 3.2, "dark")
    pen.polygon([(10, 1.5), (22, 1.5), (19.5, 6), (19.5, 12), (12.5, 12), (12.5, 6)])
    pen.ellipse(5, 9.5, 27, 28)
    pen.polygon([(9, 23), (23, 23), (21, 30.5), (11, 30.5)])
    pen.rect(10.5, 28.3, 21.5, 30.5, "dark")
    pen.rect(10, 1.5, 22, 3.5, "light")
    pen.line([(7, 20), (10, 16.5), (13, 20), (16, 16.5), (19, 20), (22, 16.5), (25, 20)], 1.8, "paper")
    pen.line([(8, 23.5), (24, 23.5)], 1.2, "dark")


def scissors(pen: Pen) -> None:
    """Open scissors, blades crossed upwards, two fat finger rings below."""
    pen.polygon([(5, 1.5), (9.5, 4), (21, 20), (16, 23)], "light")
    pen.polygon([(27, 1.5), (22.5, 4), (11, 20), (16, 23)], "light")
    pen.polygon([(12, 13.5), (16, 12), (20, 13.5), (23, 19), (16, 22), (9, 19)])
    for x in (8.5, 23.5):
        pen.circle(x, 23.5, 7)
        pen.circle(x, 24, 2.8, "hole")
    pen.circle(16, 16, 1.6, "ink")


def hair_drier(pen: Pen) -> None:
    """A hair drier from the side, a fat barrel with nozzle to the left, a handle like a pistol."""
    pen.polygon([(16, 14), (25, 14), (22.5, 29), (21, 30.5), (16, 30.5), (15, 29)])
    pen.polygon([(1.5, 4.5), (6, 4.5), (6, 16.5), (1.5, 16.5)], "dark")
    pen.polygon([(4.5, 6.5), (12, 3.5), (20, 2), (20, 19), (12, 17.5), (4.5, 14.5)])
    pen.circle(21, 10.5, 8.7)
    pen.circle(21.5, 10.5, 5, "dark")
    for y in (8, 10.5, 13):
        pen.rect(18.3, y - 0.6, 24.7, y + 0.6, "ink")
    pen.rect(16.5, 21.5, 19, 26, "paper", radius=1)
    pen.line([(8, 7.8), (12.5, 6)], 1.6, "light")


def toothbrush(pen: Pen) -> None:
    """A fat toothbrush on the diagonal, a block of white bristles at the upper end."""
    for x, y in ((9.2, 12.2), (12.8, 8.6), (16.4, 5)):
        pen.line([(x, y), (x + 6.5, y + 6.5)], 5, "paper")
    pen.line([(6, 26), (15, 18)], 9, "body")
    pen.line([(14, 18.8), (26.5, 8.5)], 7.6, "body")
    pen.line([(6, 26), (12, 20.5)], 3, "light")


ICONS: dict[str, tuple[Callable[[Pen], None], str]] = {
    "chair": (chair, "brown"),
    "couch": (couch, "red"),
    "potted plant": (potted_plant, "green"),
    "bed": (bed, "white"),
    "dining table": (dining_table, "brown"),
    "toilet": (toilet, "white"),
    "tv": (tv, "black"),
    "laptop": (laptop, "black"),
    "computer mouse": (computer_mouse, "black"),
    "tv remote": (tv_remote, "black"),
    "computer keyboard": (computer_keyboard, "black"),
    "cell phone": (cell_phone, "black"),
    "microwave": (microwave, "white"),
    "oven": (oven, "white"),
    "toaster": (toaster, "red"),
    "sink": (sink, "white"),
    "refrigerator": (refrigerator, "white"),
    "book": (book, "blue"),
    "clock": (clock, "red"),
    "vase": (vase, "blue"),
    "scissors": (scissors, "red"),
    "hair drier": (hair_drier, "pink"),
    "toothbrush": (toothbrush, "blue"),
}
