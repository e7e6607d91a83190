"""The outcomes of gates as JUnit's XML, which CI systems show: a test suite for each benchmark, a test case for each
outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from evalharness._util.text import printable
from evalharness.analysis.gates import Outcome, Verdict, notes

KINDS: Mapping[Verdict, str] = {"failed": "failure", "undecided": "error"}
"""The elements of a case that is not passed."""


def junit(name: str, outcomes: Sequence[Outcome]) -> str:
    """The XML of the outcomes of the sweep ``name``."""
    root = ElementTree.Element("testsuites", _counts(name, outcomes))
    for benchmark in dict.fromkeys(outcome.benchmark for outcome in outcomes):
        members = [outcome for outcome in outcomes if outcome.benchmark == benchmark]
        suite = ElementTree.SubElement(root, "testsuite", _counts(benchmark, members))
        for outcome in members:
            about = {"classname": _text(f"{name}.{benchmark}"), "name": _text(f"{outcome.arm}: {outcome.rule}")}
            case = ElementTree.SubElement(suite, "testcase", about)
            if outcome.passed:
                ElementTree.SubElement(case, "system-out").text = _text(outcome.detail)
            else:
                ElementTree.SubElement(case, KINDS[outcome.verdict], message=_text(outcome.detail)).text = _text(
                    str(outcome)
                )
        if found := notes(members):
            ElementTree.SubElement(suite, "system-out").text = "\n".join(map(_text, found))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(name: str, outcomes: Sequence[Outcome]) -> dict[str, str]:
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    counts = {"failures": str(verdicts["failed"]), "errors": str(verdicts["undecided"])}
    return {"name": _text(name), "tests": str(len(outcomes)), **counts}


def _text(text: str) -> str:
    """Text without control characters, which XML does not have."""
    return printable(text)
