"""Features of images: computed once, kept in the store, and a run that is none the worse without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import feature_plugins
import numpy as np
import pytest
from feature_plugins import SeeingScorer
from mock_sweeps import SWEEP
from plugin_packages import InstallPlugins

import evalharness as eh
from evalharness.analysis import analyse
from evalharness.analysis.diversity import NO_ENCODER, NOT_COMPUTED, ONE_IMAGE
from evalharness.cli import sweep
from evalharness.store.store import Store
from evalharness.testing import MockModel

Write = Callable[[str], Path]
SEEING = SWEEP.replace("{name: mock, limit: 6, samples: 1}", "{name: seeing, limit: 6, samples: 3}")


@pytest.fixture(autouse=True)
def seeing(install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugins(**feature_plugins.PLUGINS)
    monkeypatch.setattr(SeeingScorer, "encoded", [])


def run(file: Path, out: Path) -> int:
    return sweep.main([str(file), "--out", str(out), "--quiet"])


def test_each_image_is_encoded_once_and_a_report_encodes_none(sweep_file: Write, tmp_path: Path) -> None:
    file, out = sweep_file(SEEING), tmp_path / "r" / "tiny"
    assert run(file, out) == 0
    with eh.load_results(out) as results:
        images = set(results.samples["image"])
        assert sum(SeeingScorer.encoded) == len(images) > 6
        diversity = analyse(results.data)["seeing"].diversity
        assert results.data.features("seeing", images) is not None
    assert set(diversity.arms) == {"single", *(f"process max_iterations={cap}" for cap in (1, 2, 3))}
    assert diversity.arms["single"].value.value > 0
    assert diversity.lacking == 0 and not diversity.reason
    assert run(file, out) == 0
    assert sum(SeeingScorer.encoded) == len(images)


def test_a_stored_run_gets_them_without_drawing(sweep_file: Write, tmp_path: Path) -> None:
    file, out = sweep_file(SEEING), tmp_path / "r" / "tiny"
    run(file, out)
    with Store(tmp_path / "r" / "store") as store, store.batch():
        store.features.delete([key for key, *_ in store.features.all()])
    with eh.load_results(out) as results:
        assert analyse(results.data)["seeing"].diversity.reason == NOT_COMPUTED
    MockModel.drawn.clear()
    run(file, out)
    assert MockModel.drawn == []
    with eh.load_results(out) as results:
        assert len(analyse(results.data)["seeing"].diversity.arms) == 4


def test_one_image_a_prompt_has_none(sweep_file: Write, tmp_path: Path) -> None:
    out = tmp_path / "r" / "tiny"
    run(sweep_file(SEEING.replace("samples: 3", "samples: 1")), out)
    assert SeeingScorer.encoded == []
    with eh.load_results(out) as results:
        assert analyse(results.data)["seeing"].diversity.reason == ONE_IMAGE
    assert f"not measured: {ONE_IMAGE}" in (out / "index.html").read_text()


def test_another_benchmark_of_the_run_lends_its_encoder(sweep_file: Write, tmp_path: Path) -> None:
    out = tmp_path / "r" / "tiny"
    run(
        sweep_file(SEEING.replace("  - {name: seeing", "  - {name: mock, limit: 4, samples: 2}\n  - {name: seeing")),
        out,
    )
    with eh.load_results(out) as results:
        assert len(analyse(results.data)["mock"].diversity.arms) == 4
    run(sweep_file(SWEEP.replace("samples: 1", "samples: 2")), tmp_path / "r" / "blind")
    with eh.load_results(tmp_path / "r" / "blind") as results:
        assert analyse(results.data)["mock"].diversity.reason == NO_ENCODER


@pytest.mark.parametrize("broken", ["missing", "otherwise"])
def test_an_encoder_that_fails_costs_its_features_alone(
    broken: str, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "tiny"
    text = SEEING.replace("samples: 3}", f"samples: 3, broken: {broken}}}")
    assert run(sweep_file(text), out) == 0
    assert "warning: seeing: how alike the images of a prompt are is not measured: " in capsys.readouterr().err
    with eh.load_results(out) as results:
        assert analyse(results.data)["seeing"].diversity.reason == NOT_COMPUTED


def test_the_features_are_those_of_the_encoder(sweep_file: Write, tmp_path: Path) -> None:
    out = tmp_path / "r" / "tiny"
    run(sweep_file(SEEING), out)
    with eh.load_results(out) as results:
        digest = results.samples["image"].iloc[0]
        (vector,) = (results.data.features("seeing", [digest]) or {}).values()
        expected = SeeingScorer((), "").features([results.image(digest)])[0]
    assert np.allclose(vector, expected, atol=1e-3)
    assert np.linalg.norm(vector) == pytest.approx(1)
