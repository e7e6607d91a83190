"""JUnit's XML of outcomes, read by another parser; names and details may be anything."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from evalharness.analysis.gates import Outcome
from evalharness.report.junit import junit

outcomes = st.lists(st.builds(Outcome, st.sampled_from("ab"), st.text(), st.text(), st.booleans(), st.text()))


@given(st.text(), outcomes)
def test_whatever_the_texts_are_the_xml_is_whole_and_counts(name: str, outcomes: list[Outcome]) -> None:
    root = ElementTree.fromstring(junit(name, outcomes).encode())
    failed = [outcome for outcome in outcomes if not outcome.passed]
    assert (int(root.get("tests", "")), int(root.get("failures", ""))) == (len(outcomes), len(failed))
    assert len(root.findall("*/testcase")) == len(outcomes)
    assert len(root.findall("*/testcase/failure")) == len(failed)
    assert {suite.get("name") for suite in root} == {outcome.benchmark for outcome in outcomes}
