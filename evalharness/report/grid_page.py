"""``grid.html``: prompts × arms, any two of which can be laid side by side. Its data are those of the gallery."""

from __future__ import annotations

from pathlib import Path

from evalharness.report.templating import copy_assets, environment, script_of

PAGE = "grid.html"
STYLE = "grid.css"
SCRIPTS = ("core.js", "boxes.js", "annotations.js", "grid_arms.js", "grid_compare.js", "grid_viewer.js", "grid.js")


def write_grid(name: str, folder: Path, parent: str = "The report") -> None:
    """Write the page beside the gallery's data.

    Args:
        name: the name of the run.
        folder: the report's folder.
        parent: what its page is called.
    """
    script = script_of(SCRIPTS)
    template = environment().get_template("grid.html.j2")
    text = template.render(name=name, parent=parent, script=script.text, script_digest=script.digest)
    (folder / PAGE).write_text(text, encoding="utf-8", errors="replace")
    copy_assets(folder, STYLE)
