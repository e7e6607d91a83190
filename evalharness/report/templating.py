"""The templates of the pages, and the files that pages share."""

from __future__ import annotations

import base64
import hashlib
import html
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evalharness.report.formatting import MISSING, kappa_text, number_text, percent_text, score_text

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def environment() -> Environment:
    """The templates with the filters that they use. All values are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["words"] = lambda name: str(name).replace("_", " ")
    templates.filters["lower_first"] = lambda text: text[:1].lower() + text[1:]
    templates.filters["score"] = score_text
    templates.filters["kappa"] = lambda estimate: kappa_text(estimate.value, estimate.low, estimate.high)
    templates.filters["percent"] = lambda estimate: percent_text(estimate.value, estimate.low, estimate.high)
    templates.filters["as_text"] = lambda text: Markup(html.escape(text, quote=False))  # for elements, not attributes
    templates.filters["sort_value"] = lambda value: "" if math.isnan(value) else f"{value:.9g}"
    templates.filters["points"] = lambda value: MISSING if math.isnan(value) else number_text(100 * value)
    return templates


class Script(NamedTuple):
    """A script that is part of a page, and its digest, without which the page's content security policy allows none."""

    text: Markup
    digest: str


def script_of(names: Sequence[str]) -> Script:
    """One script of several files."""
    from markupsafe import Markup

    text = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)
    return Script(Markup(text), base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())


def copy_assets(folder: Path, *names: str) -> None:
    """Copy style sheets to ``assets/`` under a report's folder."""
    assets = folder / "assets"
    assets.mkdir(exist_ok=True)
    for name in names:
        shutil.copyfile(TEMPLATES / name, assets / name)
