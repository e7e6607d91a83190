"""Icons of the vehicles and the street furniture."""

from __future__ import annotations

from collections.abc import Callable

from evalharness.miniature.world.icons.pen import Pen


def bicycle(pen: Pen) -> None:
    """A bicycle from the side: two big wheels, a diamond frame, saddle and handlebar."""
    for x in (8.6, 23.4):
        pen.circle(x, 22.2, 7)
        pen.circle(x, 22.2, 4.3, "ink")
        pen.circle(x, 22.2, 3.4, "paper")
    pen.polygon([(8.6, 23.6), (11.4, 10.6), (21.6, 10.6), (16.4, 23.8)], "dark")
    pen.polygon([(13.4, 13), (19.2, 13), (16, 20.4)], "paper")
    pen.line([(23.4, 22.2), (20, 9), (20, 4)], 3, "dark")
    pen.line([(19.5, 4), (26, 4)], 4, "body")
    pen.line([(12, 12), (11, 7)], 3.2, "dark")
    pen.line([(7, 6.6), (14.4, 6.6)], 4, "body")
    pen.circle(8.6, 22.2, 1.5, "dark")


def car(pen: Pen) -> None:
    """A car from the side: low body, rounded cabin with two windows, two wheels."""
    pen.polygon([(6, 15), (10, 6.5), (12, 5.5), (20, 5.5), (22, 6.5), (27, 15)], "body")
    pen.rect(1.6, 13, 30.4, 24, "body", 4)
    pen.rect(1.6, 20.5, 30.4, 24, "dark", 1.7)
    pen.polygon([(9.5, 13.5), (12, 8.2), (15, 8.2), (15, 13.5)], "paper")
    pen.polygon([(17.2, 13.5), (17.2, 8.2), (20, 8.2), (23.2, 13.5)], "paper")
    pen.rect(27.6, 15.5, 30.4, 18.5, "light", 1)
    pen.rect(17.2, 15.6, 20, 17, "dark", 0.6)
    for x in (8.6, 23.4):
        pen.circle(x, 23.6, 4.4, "ink")
        pen.circle(x, 23.6, 1.9, "light")


def motorcycle(pen: Pen) -> None:
    """A motorcycle from the side: fat dark tyres, tank and raised tail, windscreen, headlight, exhaust."""
    for x in (7.8, 24.2):
        pen.circle(x, 23.2, 6.2, "ink")
        pen.circle(x, 23.2, 3.6, "light")
    pen.line([(24.2, 23.2), (21, 11)], 3.4, "dark")
    pen.polygon([(12, 14), (22, 13), (19.4, 25.6), (12.6, 25.6)], "body")
    pen.polygon([(1.6, 9), (11, 12.6), (20, 9), (23.6, 13), (20, 18.6), (10, 19), (2.4, 13.6)], "body")
    pen.ellipse(11, 7, 22, 16, "body")
    pen.line([(3, 10.2), (10.6, 13)], 2.4, "dark")
    pen.line([(21.4, 9.6), (19.6, 4), (15.6, 3.6)], 3.4, "body")
    pen.polygon([(20.4, 7), (26, 5.6), (29.4, 11), (26, 15), (20.6, 14)], "body")
    pen.circle(26, 10.4, 2, "paper")
    pen.arc(17.4, 15.6, 30.4, 30, 215, 325, 2.6, "body")
    pen.circle(16, 20.4, 2.6, "dark")
    pen.line([(15.5, 26), (5, 26)], 3.4, "body")


def airplane(pen: Pen) -> None:
    """An airliner from above, flying to the upper right: fuselage, swept wings, tail fins."""
    pen.polygon([(22.4, 12.6), (6, 3.4), (2.4, 7), (13, 19)], "body")
    pen.polygon([(19.4, 9.6), (28.6, 26), (25, 29.6), (13, 19)], "body")
    pen.polygon([(3.6, 5.8), (2.4, 7), (13, 19), (14.6, 17.6)], "dark")
    pen.polygon([(26.2, 28.4), (25, 29.6), (13, 19), (14.6, 17.6)], "dark")
    pen.polygon([(11, 22), (5, 17), (2, 20), (6, 26), (12, 30), (15, 27)], "body")
    pen.line([(6, 26), (26.6, 5.4)], 6.6, "body")
    pen.line([(9, 23), (20, 12)], 1.6, "light")
    pen.polygon([(22.4, 6.4), (25.6, 9.6), (28.2, 7.4), (24.6, 3.8)], "paper")
    pen.line([(4.6, 27.4), (9, 23)], 3, "dark")


def bus(pen: Pen) -> None:
    """A bus from the side: a long tall box, a row of windows, a door, two wheels."""
    pen.rect(1.6, 4, 30.4, 25.5, "body", 3)
    for x in (4, 9.8, 15.6):
        pen.rect(x, 7.2, x + 4.4, 12.6, "paper", 0.8)
    pen.rect(22.4, 7.2, 26, 24, "dark", 0.8)
    pen.rect(23.2, 8.2, 25.2, 16, "paper", 0.5)
    pen.polygon([(27.4, 7.2), (30.4, 7.2), (30.4, 15), (27.4, 15)], "paper")
    pen.rect(1.6, 15.4, 22.4, 17.6, "light")
    for x in (7.2, 18):
        pen.circle(x, 25.4, 3.9, "ink")
        pen.circle(x, 25.4, 1.6, "light")


def train(pen: Pen) -> None:
    """A steam locomotive from the side: cab, boiler with dome and funnel, cowcatcher, a row of wheels."""
    pen.rect(2.6, 5, 12.4, 23, "body")
    pen.rect(1.6, 2.4, 13.6, 6.2, "dark", 1)
    pen.rect(5, 8.4, 10, 13.6, "paper", 0.6)
    pen.rect(11, 10.6, 28, 22.4, "body", 3)
    pen.polygon([(21.6, 12), (20, 3), (28, 3), (26.4, 12)], "body")
    pen.rect(19.4, 2.2, 28.6, 5, "dark", 1)
    pen.pie(13.6, 6.4, 19, 14, 180, 360, "light")
    pen.rect(15, 11, 16.8, 22, "light")
    pen.rect(2.6, 20, 26, 24, "body")
    pen.polygon([(24.5, 20), (27, 20), (30.4, 28.6), (24.5, 28.6)], "dark")
    for x in (6, 13.2, 20.4):
        pen.circle(x, 25.4, 3.9, "ink")
        pen.circle(x, 25.4, 1.9, "light")
    pen.line([(6, 25.4), (20.4, 25.4)], 1.4, "dark")


def truck(pen: Pen) -> None:
    """A lorry from the side: a tall cargo box, a lower cab with a window in front, three wheels."""
    pen.rect(1.6, 3.6, 19.6, 23, "body", 1)
    pen.rect(1.6, 20.6, 30.4, 25, "dark", 1)
    pen.polygon([(21, 8.6), (26.4, 8.6), (30.4, 15.6), (30.4, 23), (21, 23)], "body")
    pen.rect(18, 17, 23, 23, "body")
    pen.polygon([(23, 10.6), (25.6, 10.6), (28.6, 15.8), (23, 15.8)], "paper")
    for x in (6, 10.6, 15.2):
        pen.line([(x, 6.8), (x, 17.4)], 1.2, "dark")
    pen.rect(28, 18, 30.4, 20.4, "light")
    for x in (5.6, 13.8, 25.2):
        pen.circle(x, 25.6, 3.9, "ink")
        pen.circle(x, 25.6, 1.6, "light")


def boat(pen: Pen) -> None:
    """A sailing boat: two triangular sails on a mast, a deep hull below."""
    pen.rect(14.4, 1.8, 18, 23, "dark", 0.8)
    pen.polygon([(18, 2.6), (30, 19), (18, 19)], "light")
    pen.polygon([(14.4, 5), (14.4, 19), (4, 19)], "body")
    pen.polygon([(1.6, 20.6), (30.4, 20.6), (25.6, 30.2), (6.4, 30.2)], "body")
    pen.polygon([(1.6, 20.6), (30.4, 20.6), (29.6, 22.6), (2.4, 22.6)], "dark")
    for x in (10, 16, 22):
        pen.circle(x, 26, 1.4, "paper")


def traffic_light(pen: Pen) -> None:
    """A traffic light: an upright box with three round lamps and side visors."""
    for y in (4, 12.4, 20.8):
        pen.polygon([(3, y), (29, y), (24, y + 6), (8, y + 6)], "dark")
    pen.rect(7.4, 1.6, 24.6, 28, "body", 3)
    pen.rect(13, 27, 19, 30.4, "dark")
    for y in (6.4, 14.8, 23.2):
        pen.circle(16, y, 3.7, "ink")
        pen.circle(16, y + 0.6, 2.9, "paper")


def fire_hydrant(pen: Pen) -> None:
    """A fire hydrant: domed cap, side nozzles, a round bolt plate in front, a wide foot."""
    pen.rect(13.4, 1.6, 18.6, 6, "dark", 1)
    pen.pie(7.6, 3.4, 24.4, 16.6, 180, 360, "body")
    pen.rect(2, 13, 30, 20.4, "body", 1)
    pen.rect(2, 12, 5.6, 21.4, "dark", 1)
    pen.rect(26.4, 12, 30, 21.4, "dark", 1)
    pen.rect(8.4, 10, 23.6, 28, "body")
    pen.rect(6, 9, 26, 11.2, "dark", 1)
    pen.rect(5, 26.4, 27, 30.4, "dark", 1.2)
    pen.circle(16, 18.2, 4.4, "light")
    pen.circle(16, 18.2, 1.9, "ink")


def stop_sign(pen: Pen) -> None:
    """A stop sign: an octagon with a pale rim and the word STOP, on a short post."""
    pen.rect(13.6, 24, 18.4, 30.4, "dark")
    pen.polygon([(9.6, 1.6), (22.4, 1.6), (30.4, 8.4), (30.4, 18.6), (22.4, 26), (9.6, 26), (1.6, 18.6), (1.6, 8.4)])
    rim = [(10.2, 3.4), (21.8, 3.4), (28.6, 9.2), (28.6, 17.8), (21.8, 24.2), (10.2, 24.2), (3.4, 17.8), (3.4, 9.2)]
    pen.line([*rim, rim[0]], 0.9, "paper")
    pen.line([(9.2, 10.6), (6, 10.6), (6, 13.7), (9.2, 13.7), (9.2, 17), (6, 17)], 1.3, "paper")
    pen.line([(11.2, 10.6), (14.8, 10.6), (13, 10.6), (13, 17)], 1.3, "paper")
    pen.line([(17, 10.6), (20.2, 10.6), (20.2, 17), (17, 17), (17, 10.6)], 1.3, "paper")
    pen.line([(22.8, 17), (22.8, 10.6), (26, 10.6), (26, 13.8), (22.8, 13.8)], 1.3, "paper")


def parking_meter(pen: Pen) -> None:
    """A parking meter: a round-topped head with a dial and a coin slot, on a fat post with a foot."""
    pen.rect(12.6, 20, 19.4, 29, "dark")
    pen.rect(8, 27, 24, 30.4, "dark", 1.2)
    pen.ellipse(5.6, 1.6, 26.4, 20, "body")
    pen.polygon([(5.6, 10.8), (26.4, 10.8), (23, 23), (9, 23)], "body")
    pen.pie(8.6, 4.4, 23.4, 17.6, 180, 360, "paper")
    pen.line([(16, 10.4), (19.4, 7)], 1.4, "ink")
    pen.rect(8.6, 12.6, 23.4, 14, "light", 0.5)
    pen.rect(15, 15.6, 17, 20.6, "ink", 0.6)


def bench(pen: Pen) -> None:
    """A park bench seen from the front: slatted back, deep slatted seat, two stout legs."""
    for x in (4.4, 22.6):
        pen.rect(x, 5, x + 5, 29.6, "dark", 0.8)
    pen.rect(1.8, 3.2, 30.2, 7.6, "body", 1)
    pen.rect(1.8, 9.2, 30.2, 13.6, "body", 1)
    pen.polygon([(4.4, 15.8), (27.6, 15.8), (30.2, 19.4), (1.8, 19.4)], "light")
    pen.rect(1.6, 19, 30.4, 23.4, "body", 0.8)


ICONS: dict[str, tuple[Callable[[Pen], None], str]] = {
    "bicycle": (bicycle, "blue"),
    "car": (car, "red"),
    "motorcycle": (motorcycle, "black"),
    "airplane": (airplane, "white"),
    "bus": (bus, "yellow"),
    "train": (train, "green"),
    "truck": (truck, "white"),
    "boat": (boat, "white"),
    "traffic light": (traffic_light, "yellow"),
    "fire hydrant": (fire_hydrant, "red"),
    "stop sign": (stop_sign, "red"),
    "parking meter": (parking_meter, "black"),
    "bench": (bench, "brown"),
}
