"""``import evalharness as eh``: the sweep, the results and the scorer, from Python."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from mock_sweeps import SINGLE
from PIL import Image

import evalharness as eh
from evalharness.errors import ConfigError

SWEEP = """\
name: tiny
model: mock
benchmarks:
  - {name: mock, samples: 2}
arms:
  - {name: single, variant: single_pass}
  - {name: process, variant: process, max_iterations: 1..2}
baseline: single
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("front")
    (folder / "tiny.yaml").write_text(SWEEP)
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> eh.Results:
    return eh.run(folder / "tiny.yaml", out=folder / "reports" / "tiny", quiet=True)


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, evalharness as eh\n"
        "heavy = {'torch', 'pandas', 'numpy', 'pydantic', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert set(eh.__all__) <= set(dir(eh))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", eh.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    value = getattr(eh, name)
    assert name == "__version__" or value.__doc__


def test_no_other_name_exists() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        eh.sweeep  # noqa: B018


def test_a_run_gives_frames_and_a_page(results: eh.Results, folder: Path) -> None:
    assert (folder / "reports" / "tiny" / "index.html").is_file()
    assert len(results.samples) == 3 * 10 * 2
    assert set(results.samples["state"]) == {"scored"}
    scores = results.scores().set_index("arm")
    right = results.samples.groupby(["arm", "category"])["score"].mean().groupby("arm").mean()
    pd.testing.assert_series_equal(scores["score"].sort_index(), right, check_names=False, check_index_type=False)
    overall = results.contrasts().query("category == 'overall'").set_index("arm")["difference"]
    assert overall["process max_iterations=1"] == pytest.approx(
        scores["score"]["process max_iterations=1"] - scores["score"]["single"]
    )


def test_an_arm_that_lacks_samples_has_no_score(tmp_path: Path) -> None:
    failing = "model: {name: mock, fails: [thing 3], batch_size: 1}"
    text = SINGLE.replace("limit: 6, ", "").replace("model: mock", failing)
    (tmp_path / "tiny.yaml").write_text(text)
    with eh.run(tmp_path / "tiny.yaml", out=tmp_path / "r" / "tiny", quiet=True) as results:
        (row,) = results.scores().to_dict("records")
    assert (row["scored"], row["expected"]) == (9, 10)
    assert math.isnan(row["score"])


def test_trajectories_and_images_are_at_hand(results: eh.Results) -> None:
    row = results.samples.iloc[-1]
    steps = results.trajectory(row["trajectory"])
    assert [step["kind"] for step in steps][:2] == ["plan", "sketch"]
    assert results.image(row["image"]).size == (8, 8)


def test_results_are_loaded_again_and_compare_as_equal(results: eh.Results, folder: Path) -> None:
    with eh.load_results(folder / "reports" / "tiny") as again:
        pd.testing.assert_frame_equal(again.samples, results.samples)
        comparison = eh.compare(results, again)
    assert len(comparison.compared) == 3
    assert all(pair.difference.value == 0 for pair in comparison.compared)
    with pytest.raises(ConfigError, match="nowhere"):
        eh.load_results(folder / "nowhere")


def test_a_sweep_can_be_made_smaller_before_it_is_planned(folder: Path) -> None:
    sweep = eh.load_sweep(folder / "tiny.yaml", limit=4, samples=1, only=["process"])
    assert [arm.name for arm in sweep.arms] == ["process max_iterations=1", "process max_iterations=2"]
    assert len(eh.plan(sweep).samples) == 2 * 4
    assert len(eh.plan(sweep, limit=2).samples) == 2 * 2
    assert "trajectories to draw: 4" in eh.dry_run(sweep, store=folder / "empty")


def test_the_executor_is_checked_as_the_command_line_does(folder: Path) -> None:
    file = folder / "ray.yaml"
    file.write_text(SWEEP + "executor: {name: ray, models: {nobody: {gpus: 1}}}\n")
    with pytest.raises(ConfigError, match="nobody"):
        eh.load_sweep(file, only=["single"])


class TestScorer:
    def test_it_scores_images_for_prompts(self) -> None:
        scorer = eh.scorer("mock")
        images = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
        scores = scorer.score(images, ["thing 1", eh.Item("x", "anything", "odd", {})])
        assert [score.value for score in scores] == [1.0, 0.0]
        assert scorer.identity == {"name": "mock", "version": "1"}

    @pytest.mark.parametrize(
        ("settings", "message"),
        [({"promts": ()}, "no setting 'promts'; did you mean 'prompts'"), ({"prompts": 3}, "prompts: input should be")],
    )
    def test_a_wrong_setting_is_one_line(self, settings: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            eh.scorer("mock", **settings)

    def test_an_unknown_prompt_and_a_missing_one_are_told(self) -> None:
        with pytest.raises(ConfigError, match="no prompt 'thing 77'"):
            eh.scorer("mock").score([Image.new("RGB", (4, 4))], ["thing 77"])
        with pytest.raises(ConfigError, match="1 images for 0 prompts"):
            eh.scorer("mock").score([Image.new("RGB", (4, 4))], [])

    def test_transparent_images_are_counted_not_silently_flattened(self) -> None:
        scorer = eh.scorer("mock")
        clear, opaque = Image.new("RGBA", (4, 4)), Image.new("RGBA", (4, 4), "red")
        with pytest.warns(UserWarning, match="1 of 2 images are transparent; scored without their transparency"):
            scorer.score([clear, opaque], ["thing 1", "thing 2"])
        assert scorer.score([opaque], ["thing 1"])
