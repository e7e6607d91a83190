"""A report as one HTML file, to send or to keep: everything that the page shows is inside.

The report is made in a temporary folder, small, and its files then become part of the page: style sheets and data as
style elements, pictures and figures as data, tables as links that save them. The policy of the page allows by digest
what is in it and nothing else. The page of prompts and arms stays with reports in folders.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalharness._util.files import write_text_atomically
from evalharness.errors import EvalHarnessError
from evalharness.report.page import write_page
from evalharness.report.publish import INDEX
from evalharness.report.trajectories_page import PAGE, STYLE
from evalharness.store.results import Results

MEGABYTES = 10.0
"""Pictures and trajectories that a file has, unless another limit is set; base64 makes a third more of pictures."""
TYPES = {
    ".webp": "image/webp",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True)
class SingleFile:
    """A report in one file: its size in bytes, and how many of the run's samples its gallery shows."""

    path: Path
    size: int
    samples: int
    of: int


def write_single_file(results: Results, path: Path, *, megabytes: float | None = None) -> SingleFile:
    """Write a report as one HTML file.

    Args:
        results: the run's results.
        path: the file.
        megabytes: limit on the pictures and trajectories of the gallery, of which a part is chosen by rule.

    Raises:
        EvalHarnessError: the file cannot be written, or the limit has no room for a single prompt.
    """
    with tempfile.TemporaryDirectory(prefix="evalharness-") as temporary:
        folder = Path(temporary) / "report"
        gallery = write_page(results, folder, gallery_mb=MEGABYTES if megabytes is None else megabytes).gallery
        text = _one_page(folder)
    try:
        write_text_atomically(path, text)
    except OSError as error:
        raise EvalHarnessError(f"cannot write {path}: {error.strerror}; choose another file") from error
    return SingleFile(path, len(text.encode()), gallery.samples, gallery.of)


def _one_page(folder: Path) -> str:
    """The page of a report with all files that it refers to."""
    page, script, rest = (folder / INDEX).read_text(encoding="utf-8").partition("<script>")
    page = _with_trajectories(folder, page)
    page = re.sub(r'<a href="grid\.html[^"]*">[^<]*</a>', "", page)
    page = re.sub(r'<a href="figures/[^"]*">(.*?)</a>', r"\1", page)
    page = re.sub(r'href="((?:tables/[^"]+|results)\.\w+)"', lambda match: _download(folder, match[1]), page)
    page = re.sub(r'(src|srcset)="([^":]+)"', lambda match: f'{match[1]}="{_data(folder / match[2])}"', page)
    styles = dict(_styles(folder))
    page = re.sub(r'<link rel="stylesheet"[^>]*>', lambda match: styles.pop("", ""), page)
    digests = " ".join(
        f"'sha256-{_digest(text)}'" for text in re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL)
    )
    sheets = "".join(styles.values())
    digests += "".join(
        f" 'sha256-{_digest(text)}'" for text in re.findall(r"<style[^>]*>(.*?)</style>", sheets, re.DOTALL)
    )
    page = page.replace("img-src 'self' file:; style-src 'self' file:;", f"img-src data:; style-src {digests};")
    return f'{page}{sheets}<template id="files">{"".join(_pictures(folder))}</template>\n{script}{rest}'


def _with_trajectories(folder: Path, page: str) -> str:
    """The page with the trajectories that were chosen by rule, which a folder has on a page of their own."""
    if not (folder / PAGE).is_file():
        return page
    chosen = (folder / PAGE).read_text(encoding="utf-8").partition("<main>")[2].rpartition("</main>")[0]
    chosen = chosen.replace(f'href="{INDEX}#', 'href="#')
    page = page.replace(f'href="{PAGE}"', 'href="#trajectories"').replace(f'href="{PAGE}#', 'href="#')
    return page.replace('<section id="gallery"', f'{chosen}<section id="gallery"', 1)


def _styles(folder: Path) -> Iterator[tuple[str, str]]:
    """The style elements by the name of their sheet: that of the page, then those that hold data."""
    looks = [folder / "assets" / name for name in ("report.css", STYLE)]
    yield "", f"<style>{''.join(path.read_text(encoding='utf-8') for path in looks if path.is_file())}</style>"
    for path in sorted((folder / "data").glob("*.css")):
        # In the JSON that a sheet holds, "<" can only be a part of a text.
        text = path.read_text(encoding="ascii").replace("<", r"\\u003c")
        yield path.stem, f"<style>{text}</style>\n"


def _pictures(folder: Path) -> Iterator[str]:
    for path in sorted(path for name in ("images", "thumbs") for path in (folder / name).iterdir()):
        yield f'<img data-name="{path.relative_to(folder).as_posix()}" src="{_data(path)}">'


def _download(folder: Path, name: str) -> str:
    path = folder / html.unescape(name)
    return f'href="{_data(path)}" download="{html.escape(path.name)}"'


def _data(path: Path) -> str:
    return f"data:{TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
