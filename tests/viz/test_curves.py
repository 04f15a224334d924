from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import splinegeo as sg
from splinegeo import viz


def test_colours_are_those_of_the_paper():
    steps = [0, 1, 10, 100]
    ax = viz.draw_training_curves(
        steps, loss=[2, 1, 0.1, 0.01], train_accuracy=[0, 0.5, 1, 1], test_accuracy=[0, 0.4, 0.8, 0.9]
    )
    ax.figure.canvas.draw()
    train, test = (to_rgb(line.get_color()) for line in ax.lines)
    assert train[1] == max(train)  # green
    assert test[0] == max(test)  # orange
    assert ax.get_xscale() == "symlog"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["train accuracy", "test accuracy", "loss"]


def test_without_step_zero_the_axis_is_logarithmic():
    ax = viz.draw_training_curves([3, 1000], test_accuracy=[0.1, 0.9])
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize(("steps", "match"), [([0, 1], "shape"), ([-1, 0, 1], "negative step"), ([], "shape")])
def test_wrong_curves_are_named(steps, match):
    with pytest.raises(sg.InvalidInputError, match=f"'train accuracy'.*{match}"):
        viz.draw_training_curves(steps, train_accuracy=[0.1, 0.2, 0.3])


def test_curves_grow_until_the_step():
    ax = viz.draw_curves({"train": ([0, 10, 100], [0, 1, 1])}, step=5, label="accuracy")
    _, grown, marker, _ = ax.lines
    assert np.array_equal(grown.get_xdata(), [0, 5])
    assert marker.get_ydata()[0] == pytest.approx(0.5)
    assert ax.get_ylabel() == "accuracy"


def test_a_band_goes_with_a_curve_that_has_one():
    plain = viz.draw_curves({"test": ([0, 10], [1, 2])})
    banded = viz.draw_curves({"test": ([0, 10], [1, 2], [0.5, 1], [1.5, 4])})
    assert not plain.collections
    (band,) = banded.collections
    assert band.get_datalim(banded.transData).y0 == 0.5
    assert band.get_datalim(banded.transData).y1 == 4


@pytest.mark.parametrize(
    ("curves", "match"), [({}, "no curves"), ({"a": ([0, 1], [1])}, "'a'.*shape"), ({"a": ([-1], [1])}, "negative")]
)
def test_wrong_curves_are_refused(curves, match):
    with pytest.raises(sg.InvalidInputError, match=match):
        viz.draw_curves(curves)


def test_curves_take_colours_of_your_own_one_for_each():
    curves = {"train": ([0, 1], [0, 1]), "test": ([0, 1], [1, 0])}
    ax = viz.draw_curves(curves, colors=["#000000", "#ff0000"])
    assert [line.get_color() for line in ax.lines] == ["#000000", "#ff0000"]
    with pytest.raises(sg.InvalidInputError, match="1 colors for 2 curves"):
        viz.draw_curves(curves, colors=["red"])


def test_attacks_are_shades_of_orange_that_darken():
    ax = viz.draw_curves({name: ([0, 1], [0, 1]) for name in ("train", "test", "ε = 0.06", "ε = 0.1", "ε = 0.14")})
    brightness = [sum(to_rgb(line.get_color())) for line in ax.lines[2:]]
    assert brightness == sorted(brightness, reverse=True)
    assert all(to_rgb(line.get_color())[0] == max(to_rgb(line.get_color())) for line in ax.lines[2:])
