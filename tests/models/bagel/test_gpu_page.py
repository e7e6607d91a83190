"""The command that fills docs/gpu.md, at toy size on a CPU: it is known to work before the day there is a GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import gpu_page
import pytest


@pytest.mark.slow
def test_the_page_is_filled_at_toy_size(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")
    page = tmp_path / "gpu.md"
    assert gpu_page.main([str(page), "--toy"]) == 0
    text = page.read_text(encoding="utf-8")
    assert all(f"## {section.title}\n" in text for section in gpu_page.SECTIONS)
    for figures in ("tokens/s", "TFLOP/s", "exact, four: 4 of 4 texts and 4 of 4 images", "two workers on the same"):
        assert figures in text, text
    assert text.count("not measured") == 1, "the detectors have no toy size"


def test_all_sections_fit_into_ten_minutes() -> None:
    assert sum(section.seconds for section in gpu_page.SECTIONS) <= 600


def test_what_fails_or_takes_too_long_is_written_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules["gpu_page"], "SECTIONS", ())
    assert gpu_page.figures_of(["-c", "import time; time.sleep(60)"], 0.5) == ["not measured: it took more than 0.5 s"]
    assert gpu_page.figures_of(["-m", "pytest", "--no-such-option"], 60)[0].startswith("not measured: ")
    assert gpu_page.main([str(tmp_path / "page.md")]) == 0
