"""English is read back as it was written."""

from __future__ import annotations

import doctest
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from evalharness._util import text
from evalharness.miniature.model.tokenizer import Tokenizer
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES
from evalharness.training_data import english, english_parser
from evalharness.training_data.conflicts import SMUDGE, Conflict, Relation
from evalharness.training_data.english import English
from evalharness.training_data.graphs import DIRECTIONS, Edge, Node, SceneGraph

NODES = st.builds(Node, st.sampled_from(CLASSES), st.sampled_from((None, *COLOR_NAMES)))
COLORED = st.builds(Node, st.sampled_from(CLASSES), st.sampled_from(COLOR_NAMES))
RELATIONS = st.builds(Relation, st.sampled_from(tuple(DIRECTIONS)), NODES)
SMUDGED = Node(SMUDGE)
CONFLICTS = st.one_of(
    st.builds(Conflict, st.just("missing"), st.none(), NODES, st.lists(RELATIONS, max_size=2).map(tuple)),
    st.builds(Conflict, st.just("too many"), NODES),
    st.builds(
        lambda seen, color: Conflict("wrong color", seen, Node(seen.name, color)), COLORED, st.sampled_from(COLOR_NAMES)
    ),
    st.builds(Conflict, st.just("wrong relation"), st.none(), NODES, RELATIONS.map(lambda relation: (relation,))),
    st.builds(Conflict, st.just("wrong thing"), st.one_of(NODES, st.just(SMUDGED)), NODES),
    st.just(Conflict("smudge", SMUDGED)),
)


@st.composite
def graphs(draw: st.DrawFn) -> SceneGraph:
    """Things, each several times, and relations between all of one look and all of another."""
    looks = draw(st.lists(NODES, max_size=5, unique=True))
    nodes = [look for look in looks for _ in range(draw(st.integers(1, 4)))]
    edges: list[Edge] = []
    pairs = [(a, b) for a in looks for b in looks if a != b]
    for a, b in draw(st.lists(st.sampled_from(pairs), max_size=3, unique=True)) if pairs else []:
        relation = draw(st.sampled_from(tuple(DIRECTIONS)))
        edges += [Edge(i, relation, j) for i, x in enumerate(nodes) for j, y in enumerate(nodes) if (x, y) == (a, b)]
    return SceneGraph(tuple(nodes), tuple(edges))


def test_examples() -> None:
    for module in (english, english_parser, text):
        assert doctest.testmod(module).failed == 0


@given(graphs())
def test_a_description_is_read_back(graph: SceneGraph) -> None:
    assert English().read(English().description(graph)) == graph


@given(graphs())
def test_the_miniature_s_words_hold_every_description(graph: SceneGraph) -> None:
    tokenizer = Tokenizer()
    said = tokenizer.decode(tokenizer.encode(English().description(graph)))
    assert English().read(said) == graph


@given(CONFLICTS)
def test_a_correction_is_read_back(conflict: Conflict) -> None:
    assert English().read_correction(English().correction(conflict)) == conflict


@given(CONFLICTS)
def test_an_inspection_is_read_back_but_for_the_relations_of_a_missing_thing(conflict: Conflict) -> None:
    expected = replace(conflict, relations=()) if conflict.kind == "missing" else conflict
    assert English().read_conflict(English().conflict(conflict)) == expected


@given(CONFLICTS)
def test_the_miniature_s_words_hold_every_critique(conflict: Conflict) -> None:
    tokenizer = Tokenizer()
    said = tokenizer.decode(tokenizer.encode(English().correction(conflict)))
    assert English().read_correction(said) == conflict


def test_no_two_classes_share_a_plural() -> None:
    plurals = Counter(text.plural(name) for name in CLASSES)
    assert max(plurals.values()) == 1
    assert [text.singular(text.plural(name)) for name in CLASSES] == list(CLASSES)


def test_other_texts_are_not_read() -> None:
    for words in (
        "I see a dog.",
        "",
        "a cat at left",
        "a cat; it is left of the dog",
        "a cat; the dog is above the cat",
    ):
        assert English().read(words) is None or words == "a cat at left"
    assert English().read_conflict("ok") is None
    assert English().read_correction("be careful") is None
