"""The miniature's knowledge of the world: phrases for its classes, colours, numbers and relations.

A prompt that needs knowledge has such a phrase in place of the name. The unified model learns the answers in words
alone: no training example shows a picture for a phrase, just as captions on the web name what a picture shows.
``wise-mini`` has one prompt for each fact, in words that no training example has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["thing", "color", "number", "place"]
CATEGORIES = ("culture", "time", "space", "biology", "physics", "chemistry")


@dataclass(frozen=True, slots=True)
class Fact:
    """A phrase that stands for an answer: a class, a colour, a number in words, or a relation.

    >>> FACTS[0].answer
    'apple'
    """

    category: str
    kind: Kind
    phrase: str
    answer: str


def taught(fact: Fact, name: str) -> bool:
    """Whether training examples may combine this class with this fact; ``wise-mini`` combines it with the others.

    This does not concern facts about things, which need no other class: there the sentences around them differ.
    """
    return (FACTS.index(fact) + len(name)) % 2 == 0


_THINGS = {
    "culture": {
        "the fruit that is said to keep the doctor away": "apple",
        "the board at which every driver must halt": "stop sign",
        "the round dish that comes from Naples": "pizza",
        "the toy that is named after president Roosevelt": "teddy bear",
        "what a mayor cuts a ribbon with": "scissors",
        "what Mary Poppins flies with": "umbrella",
        "the vehicle that takes American children to school": "bus",
        "what Venice uses where other cities have streets": "boat",
        "what a sommelier tastes from": "wine glass",
        "what the English drink tea from": "cup",
        "the sweet that carries candles on a birthday": "cake",
        "the ring that American policemen like to eat": "donut",
        "the snack that is named after an earl who played cards": "sandwich",
        "the sausage that is sold at American ball games": "hot dog",
        "what a banker wears around the neck": "tie",
        "what Babe Ruth swung": "baseball bat",
        "what a pitcher catches with": "baseball glove",
        "what players swing at Wimbledon": "tennis racket",
        "what Hawaiians ride the waves on": "surfboard",
        "what Franklin flew in a thunderstorm": "kite",
        "the disc that is thrown in a park for fun": "frisbee",
        "what a pupil carries to school on the back": "backpack",
        "what Gutenberg printed": "book",
        "what a family gathers around for Thanksgiving": "dining table",
        "the vehicle of the Tour de France": "bicycle",
        "the vehicle of a Hells Angel": "motorcycle",
        "what firemen connect a hose to": "fire hydrant",
        "what a driver feeds with coins": "parking meter",
        "what old men share in a park": "bench",
        "the animal that a knight rides": "horse",
        "the animal on the flag of California": "bear",
        "the animal that is holy to Hindus": "cow",
        "the pet of a witch": "cat",
        "what one eats soup with": "spoon",
        "what one eats cereal from": "bowl",
    },
    "time": {
        "what tells the hour on a wall": "clock",
        "what families watched the moon landing on": "tv",
        "what replaced the typewriter": "laptop",
        "what replaced the phone booth": "cell phone",
        "what Henry Ford built for everyone": "car",
        "what Stephenson set on rails": "train",
        "what the Wright brothers invented": "airplane",
    },
    "biology": {
        "the animal with the longest neck": "giraffe",
        "the animal with stripes that lions hunt": "zebra",
        "the heaviest animal on land": "elephant",
        "the animal that gives wool": "sheep",
        "the animal that sings in a nest": "bird",
        "the fruit that a monkey peels": "banana",
        "the root that rabbits love": "carrot",
        "the vegetable that looks like a little tree": "broccoli",
        "the citrus fruit from Valencia": "orange",
        "what breathes in carbon dioxide on a window sill": "potted plant",
        "the species that builds cities": "person",
    },
    "physics": {
        "what browns bread with glowing wires": "toaster",
        "what keeps milk cold with a compressor": "refrigerator",
        "what blows warm wind at wet curls": "hair drier",
        "what moves a pointer on a screen": "computer mouse",
        "what changes the channel with infrared": "tv remote",
        "what warms up food with waves": "microwave",
        "what bounces because it is full of air": "sports ball",
        "what slides down snow as a pair": "skis",
        "what tells drivers to go at a crossing": "traffic light",
    },
    "chemistry": {
        "what is closed with a cork": "bottle",
        "what bakes dough with dry heat": "oven",
        "what dishes are rinsed in": "sink",
        "what spreads fluoride": "toothbrush",
        "the ceramic that holds cut flowers": "vase",
        "the blade that a cook sharpens": "knife",
    },
}
_COLORS = {
    "culture": {
        "the color of a bride": "white",
        "the color of mourning": "black",
        "the color of a fire engine": "red",
        "the color of Ireland": "green",
        "the color of Dutch football": "orange",
        "the color of Roman emperors": "purple",
        "the color of Scandinavian mailmen": "yellow",
    },
    "time": {
        "the color of meadows in spring": "green",
        "the color of roofs after a winter night": "white",
        "the color of the sky at midnight": "black",
        "the color of the sky on a clear day": "blue",
        "the color of wheat at harvest": "yellow",
    },
    "biology": {
        "the color of chlorophyll": "green",
        "the color of blood": "red",
        "the color of flamingos": "pink",
        "the color of ravens": "black",
    },
    "physics": {
        "the color of the longest waves of light": "red",
        "the color of what reflects all light": "white",
        "the color of what swallows all light": "black",
        "the color between red and yellow in a rainbow": "orange",
    },
    "chemistry": {
        "the color of litmus in acid": "red",
        "the color of copper sulfate": "blue",
        "the color of soot": "black",
        "the color of sulfur": "yellow",
        "the color of rust": "brown",
        "the color of chalk": "white",
        "the color of copper roofs after a century": "green",
        "the color of permanganate": "purple",
        "the color of phenolphthalein in soap": "pink",
    },
}
_NUMBERS = {
    "time": {
        "a quarter has months": "three",
        "a year has seasons": "four",
        "a weekend has days": "two",
        "a lunar month has weeks": "four",
        "there are hours from nine to noon": "three",
    },
    "space": {
        "a triangle has sides": "three",
        "a square has corners": "four",
        "a coin has faces": "two",
        "a rope has ends": "two",
        "a compass has cardinal points": "four",
    },
    "biology": {"a horse has legs": "four", "an eagle has wings": "two"},
    "physics": {"light has primary colors": "three", "a magnet has poles": "two"},
    "chemistry": {"a molecule of water has atoms": "three", "an atom of carbon has bonds": "four"},
}
_PLACES = {
    "space": {
        "to the north on a map of": "above",
        "to the south on a map of": "below",
        "to the east on a map of": "right of",
        "to the west on a map of": "left of",
        "where the hour hand points at noon from": "above",
        "where the hour hand points at three from": "right of",
        "where the hour hand points at six from": "below",
        "where the hour hand points at nine from": "left of",
        "where a line of English begins seen from": "left of",
        "where the sky is seen from": "above",
        "where the cellar is seen from": "below",
        "where the roof is seen from": "above",
    },
    "physics": {"where hot air goes from": "above", "where a dropped stone goes from": "below"},
}
_TABLES: dict[Kind, dict[str, dict[str, str]]] = {
    "thing": _THINGS,
    "color": _COLORS,
    "number": _NUMBERS,
    "place": _PLACES,
}
FACTS: tuple[Fact, ...] = tuple(
    Fact(category, kind, phrase, answer)
    for category in CATEGORIES
    for kind, table in _TABLES.items()
    for phrase, answer in table.get(category, {}).items()
)
