from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import splinegeo as sg
from splinegeo import viz


@pytest.fixture(scope="module")
def densities(parts) -> dict[int, sg.EdgeDensity]:
    bands = [0, 0.1, 0.3, 1, np.inf]
    return {10**k: sg.edge_density(part, [[0.0, 0.0]], distances=bands) for k, part in enumerate(parts)}


def test_curves_are_the_densities_in_the_middle_of_finite_bands(densities):
    _, axes = plt.subplots(1, 2)
    viz.draw_edge_density(densities, axes[0])
    viz.draw_edge_density(densities, axes[1], relative=False)
    for ax, name in zip(axes, ("relative", "density"), strict=True):
        for line, found in zip(ax.lines, densities.values(), strict=False):
            np.testing.assert_allclose(line.get_xdata(), [0.05, 0.2, 0.65])
            np.testing.assert_allclose(line.get_ydata(), getattr(found, name)[:3])
    assert axes[0].lines[-1].get_ydata() == [1.0, 1.0]
    assert len(axes[1].lines) == len(densities)


def test_steps_are_named_and_ordered_by_colour(densities):
    ax = viz.draw_edge_density(densities, to="the anchors", legend="step")
    legend = ax.get_legend()
    assert legend.get_title().get_text() == "step"
    assert [text.get_text() for text in legend.get_texts()] == ["1", "10", "100", "1,000"]
    assert "the anchors" in ax.get_xlabel()
    lightness = [np.mean(line.get_color()[:3]) for line in ax.lines[:4]]
    assert lightness == sorted(lightness)


def test_the_scale_shows_all_curves_of_axes_that_share_it(densities):
    _, axes = plt.subplots(1, 2, sharey=True)
    low, high = sorted(densities.values(), key=lambda found: found.relative[:3].max())[:: len(densities) - 1]
    for ax, found in zip(axes, (low, high), strict=True):
        viz.draw_edge_density({"step": found}, ax)
    assert axes[0].get_ylim()[0] == 0
    assert axes[0].get_ylim()[1] > high.relative[:3].max()


def test_bands_without_area_are_left_out(part):
    found = sg.edge_density(part, np.zeros((0, 2)))
    ax = viz.draw_edge_density({"none": found})
    ax.figure.canvas.draw()
    assert not len(ax.lines[0].get_xdata())


def test_nothing_to_draw():
    with pytest.raises(sg.InvalidInputError, match="no edge density"):
        viz.draw_edge_density({})
