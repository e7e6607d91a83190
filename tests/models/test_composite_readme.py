"""The README's sweep of any model through the process, as it stands there, on pipelines and an endpoint made here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from chat_server import chatting
from fences import ROOT, blocks
from judge_server import serving
from mock_sweeps import IN_PROCESS

from evalharness.cli import sweep

pytest.importorskip("diffusers", reason="the extra `diffusers` is not installed")
pytest.importorskip("openai", reason="the extra `judge` is not installed")
pytest.importorskip("aiohttp", reason="the extra `judge` is not installed")

import tiny_diffusion

HERE = "weights: {folder}, dtype: float32, steps: 1, device: cpu"


def test_fifteen_lines_report_a_process_against_a_single_pass(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (text,) = [block for block in blocks(ROOT / "README.md", "yaml") if "name: composite" in block]
    assert len(text.splitlines()) <= 15
    parts = {
        "Qwen/Qwen-Image": tiny_diffusion.save_painter(tmp_path / "painter", tmp_path_factory.mktemp("words")),
        "Qwen/Qwen-Image-Edit": tiny_diffusion.save_editor(tmp_path / "editor", tmp_path_factory.mktemp("words")),
    }
    with serving(chatting) as (server, url):
        text = re.sub(r"hub: ([\w/-]+)", lambda found: HERE.format(folder=parts[found[1]]), text)
        text = text.replace("http://localhost:8000/v1", url).replace("limit: 100", "limit: 3")
        (tmp_path / "any-model.yaml").write_text(text + IN_PROCESS)
        assert sweep.main([str(tmp_path / "any-model.yaml"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert server.calls
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {row["arm"]: row for row in results["summary"]["geneval"]}
    assert {arm: row["scored"] for arm, row in rows.items()} == dict.fromkeys(
        ["single pass", *(f"process max_iterations={cap}" for cap in range(1, 5))], 3
    )
    contrast = next(
        contrast
        for contrast in results["analysis"]["geneval"]["contrasts"]
        if contrast["arm"] == "process max_iterations=4"
    )
    assert contrast["baseline"] == "single pass"
    assert set(results["cost"]["parts"]["process max_iterations=4"]) == {"writer", "painter", "editor"}
    assert (tmp_path / "out" / "index.html").is_file()
