"""The page of a run in progress. All that it shows comes later, by ``state.json``."""

from __future__ import annotations

from typing import NamedTuple

from evalharness.report.templating import TEMPLATES, environment, script_of

SCRIPTS = ("core.js", "view.js")
STYLES = ("report.css", "view.css")


class Page(NamedTuple):
    """The page, and the policy that says what it may load."""

    text: str
    policy: str


def render(name: str) -> Page:
    """The page of a run of this name."""
    script = script_of(SCRIPTS)
    text = environment().get_template("view.html.j2").render(name=name, styles=STYLES, script=script.text)
    policy = (
        "default-src 'none'; img-src 'self'; style-src 'self'; connect-src 'self'; "
        f"script-src 'sha256-{script.digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(text, policy)


def style_sheet(name: str) -> bytes | None:
    """One of the page's style sheets."""
    return (TEMPLATES / name).read_bytes() if name in STYLES else None
