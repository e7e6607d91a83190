"""Results with two benchmarks, the report of them, and a browser to look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import View, launched
from report_samples import sample_results

from evalharness.report import build
from evalharness.store.results import Results


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return sample_results(tmp_path_factory.mktemp("images"), prompts=36, seeds=2, second=True)


@pytest.fixture(scope="session")
def report(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report on ``results``."""
    return build(results, tmp_path_factory.mktemp("reports") / "iters").parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as instance:
        yield instance


@pytest.fixture
def view(browser: Any, report: Path) -> Iterator[View]:
    opened = View(browser, report)
    yield opened
    opened.close()
    assert opened.complaints == []
    assert all(url.startswith("file:///") for url in opened.requests)
