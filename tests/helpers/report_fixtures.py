"""Results with two benchmarks, and the report of them."""

from __future__ import annotations

from pathlib import Path

import pytest
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
