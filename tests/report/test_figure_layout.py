"""Figures as they are laid out: no text covers another or leaves the picture, and no legend lies over the data."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from runs import run
from test_loop_plots import loop

from evalharness.report.claims import lead_arms
from evalharness.report.figures.difference_plots import flips, forest
from evalharness.report.figures.loop_plots import loop_plots
from evalharness.report.figures.score_plots import cost, courses
from evalharness.report.figures.style import Plot, drawn, family_styles, save
from evalharness.report.summary import summarize
from evalharness.store.results import Results


def plots(results: Results) -> list[Plot]:
    (summary,) = summarize(results)
    styles = family_styles(results.arms)
    found = [
        *courses(summary, styles),
        cost(summary, styles),
        forest(summary, lead_arms(results, summary), styles),
        flips(summary),
        *loop_plots([loop(iterations=9)], summary.title),
    ]
    return [plot for plot in found if plot is not None]


def many_caps(caps: int = 16, name: str = "process") -> Results:
    """An arm of one picture, and one with a cap that rises; cost and score rise with it, more slowly to the end."""
    generator = np.random.default_rng(0)
    easy = generator.random((40, 2))
    scores = {"single": easy < 0.4} | {f"{name} max_iterations={n}": easy < 1 - 0.5 / n for n in range(1, caps + 1)}
    results = run({arm: table.astype(float) for arm, table in scores.items()})
    arms = results.arms.assign(max_iterations=pd.array([None, *range(1, caps + 1)], "Int64"))
    place = {arm: index for index, arm in enumerate(scores)}
    steps = results.samples["arm"].map(place).map(lambda index: 8 if not index else 8 * (3 - 2 / index))
    return replace(
        results, arms=arms, samples=results.samples.assign(evaluations=steps, tokens=10 * steps, seconds=steps / 7)
    )


def swept(values: tuple[float, ...], setting: str = "refinements") -> Results:
    """An arm of one picture, and one for each value of a setting, given in falling order; all with the same cap."""
    generator = np.random.default_rng(0)
    easy = generator.random((40, 2))
    names = {value: f"process {setting}={value:g}" for value in sorted(values, reverse=True)}
    scores = {"single": easy < 0.4} | {name: easy < 0.5 + 0.1 * value for value, name in names.items()}
    settings = {name: {setting: value} for value, name in names.items()}
    results = run({arm: table.astype(float) for arm, table in scores.items()}, settings=settings)
    return replace(results, arms=results.arms.assign(max_iterations=pd.array([None, *[6] * len(values)], "Int64")))


def many_arms(arms: int = 20) -> Results:
    generator = np.random.default_rng(0)
    easy = generator.random((40, 2))
    return run({f"arm {n} of a training": (easy < 0.4 + 0.02 * n).astype(float) for n in range(arms)})


CASES = {
    "arms": many_arms(),
    "caps": many_caps(),
    "refinements": swept((0, 1, 2, 4)),
    "few": many_caps(3),
    "long names": many_caps(4, "a process that plans, sketches, inspects and refines with a very long name"),
}


def texts(figure: Figure) -> list[Text]:
    """The texts that are seen."""
    found: list[Text] = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            found += [
                label
                for tick in axis.get_major_ticks()
                for label in (tick.label1,)
                if low <= tick.get_loc() <= high and label.get_visible()
            ]
    return [text for text in found if text.get_text() and text.get_window_extent().width]


@pytest.mark.parametrize("case", CASES)
def test_texts_keep_apart_and_inside(case: str) -> None:
    for plot in plots(CASES[case]):
        figure = drawn(plot)
        figure.canvas.draw()
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
        for (text, box), (other, other_box) in combinations(boxes, 2):
            assert not box.padded(-1).overlaps(other_box.padded(-1)), (plot.kind, text, other)
        for text, box in boxes:
            assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, (plot.kind, text)
            assert figure.bbox.y0 - 1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, (plot.kind, text)


@pytest.mark.parametrize("case", CASES)
def test_legends_do_not_cover_the_data(case: str) -> None:
    for plot in plots(CASES[case]):
        figure = drawn(plot)
        figure.canvas.draw()
        for legend in figure.legends:
            for axes in figure.axes:
                assert not legend.get_window_extent().padded(-1).overlaps(axes.bbox), plot.kind


def test_no_two_arms_look_the_same() -> None:
    styles = family_styles(many_arms(49).arms)
    assert len({(style.color, style.marker) for style in styles}) == 49


def test_axes_say_what_they_show_in_which_unit_and_which_way_is_better() -> None:
    labels = {
        plot.kind: [axes.get_xlabel() + axes.get_ylabel() for axes in drawn(plot).axes] for plot in plots(many_caps(3))
    }
    assert "%" in labels["iterations"][0] and "higher is better" in labels["iterations"][0]
    assert all("a sample" in label for label in labels["cost"])
    assert "difference, points (further right is better)" in labels["differences"][0]
    assert "further right is better" in labels["flips"][0]


def test_score_is_drawn_against_a_swept_setting() -> None:
    results = swept((0, 1, 4))
    (plot,) = (plot for plot in plots(results) if plot.kind == "course-refinements")
    (axes,) = drawn(plot).axes
    assert axes.get_xlabel() == "refinements"
    curve = next(line for line in axes.lines if len(np.asarray(line.get_xdata())) == 3)
    assert np.asarray(curve.get_xdata()).tolist() == [0, 1, 4]
    means = results.samples.groupby(["arm", "category"])["score"].mean().unstack() @ [0.25, 0.75]
    assert np.asarray(curve.get_ydata()).tolist() == pytest.approx(
        [means[f"process refinements={n}"] for n in (0, 1, 4)]
    )
    assert [line.get_label() for line in axes.lines if len(set(np.asarray(line.get_ydata()))) == 1] == ["single"]


def test_a_setting_with_a_dot_and_fractions_is_a_course_too() -> None:
    kinds = [plot.kind for plot in plots(swept((0.5, 1.5), "model.guidance"))]
    assert kinds[0].startswith("course-model")


def test_first_and_last_cap_stand_beside_their_points() -> None:
    figure = drawn(next(plot for plot in plots(many_caps()) if plot.kind == "cost"))
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert {"1", "16"} <= set(shown)
    assert len(shown) < 16


def test_a_pdf_holds_letters_and_is_the_same_again(tmp_path: Path) -> None:
    plot = plots(many_caps(3))[0]
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        assert save(plot, "toy", folder, pdf=True).pdf
    data = (tmp_path / "a" / "toy-iterations.pdf").read_bytes()
    assert data == (tmp_path / "b" / "toy-iterations.pdf").read_bytes()
    assert data.startswith(b"%PDF") and b"/Type3" not in data and b"/FontFile2" in data
    assert not save(plot, "toy", tmp_path).pdf


def test_a_name_that_looks_like_markup_stays_a_name(tmp_path: Path) -> None:
    name = 'a style="fill: red" <g> id="m0123456789" #m0123456789'
    plot = plots(many_caps(3, name))[0]
    stem = save(plot, "toy", tmp_path).stem
    root = ElementTree.fromstring((tmp_path / f"{stem}.svg").read_text())
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert any(text and text.startswith('a style="fill: red"') for text in texts)
    classes = {element.get("class") for element in root.iter()} - {None}
    (style,) = (element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}style"))
    assert all(f".{name}{{" in style for name in classes)
    assert not any(element.get("style") for element in root.iter())
