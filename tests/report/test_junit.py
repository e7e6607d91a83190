"""JUnit's XML of outcomes, read by another parser; names and details may be anything."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from evalharness.analysis.gates import Outcome, notes
from evalharness.report.junit import junit

verdicts = st.sampled_from(["passed", "failed", "undecided"])
more = st.lists(st.text(), max_size=2).map(tuple)
outcomes = st.lists(st.builds(Outcome, st.sampled_from("ab"), st.text(), st.text(), verdicts, st.text(), more))


@given(st.text(), outcomes)
def test_whatever_the_texts_are_the_xml_is_whole_and_counts(name: str, outcomes: list[Outcome]) -> None:
    root = ElementTree.fromstring(junit(name, outcomes).encode())
    assert int(root.get("tests", "")) == len(root.findall("*/testcase")) == len(outcomes)
    for verdict, attribute, element in (("failed", "failures", "failure"), ("undecided", "errors", "error")):
        count = sum(outcome.verdict == verdict for outcome in outcomes)
        assert int(root.get(attribute, "")) == len(root.findall(f"*/testcase/{element}")) == count
    passed = sum(outcome.passed for outcome in outcomes)
    assert len(root.findall("*/testcase/system-out")) == passed
    assert bool(root.findall("*/system-out")) == bool(notes(outcomes))
    assert {suite.get("name") for suite in root} == {outcome.benchmark for outcome in outcomes}
