from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from splinegeo.validation import mlp
from torch import nn

import splinegeo as sg
from splinegeo import viz


def deformations(model, radii=(0.01, 0.1, 1.0), n=20):
    x = torch.rand(n, 3, generator=torch.Generator().manual_seed(1))
    return [sg.neighborhood_deformation(model, x, radius=radius, dim=3) for radius in radii]


def solid(ax):
    return [line for line in ax.lines if line.get_linestyle() == "-"]


def scaled_isometry(scale: float) -> nn.Sequential:
    """ReLU of a positive multiple of the identity, shifted so that no unit is ever off."""
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    model.load_state_dict({"0.weight": scale * torch.eye(3), "0.bias": torch.full((3,), 10.0 * scale)})
    return model


def test_a_scaled_isometry_gives_its_scale():
    ax = viz.draw_deformation(deformations(scaled_isometry(0.5)))
    for line in [*solid(ax), *(line for line in ax.lines if line.get_linestyle() == ":")]:
        np.testing.assert_allclose(line.get_ydata(), [1, 0.5], rtol=1e-6)
    assert ax.get_yscale() == "linear"


def test_curves_are_means_of_the_ratios_by_ascending_radius():
    found = deformations(mlp(3, 12, 12, 2), (1.0, 0.01))
    ax = viz.draw_deformation(found)
    small, large = solid(ax)
    for line, one in ((large, found[0]), (small, found[1])):
        np.testing.assert_allclose(line.get_ydata(), (one.eccentricity / one.eccentricity[:, :1]).mean(axis=0))
    assert [line.get_label() for line in (small, large)] == ["$r$ = 0.01", "$r$ = 1"]
    assert tuple(small.get_color()) != tuple(large.get_color())
    assert [text.get_text() for text in ax.get_xticklabels()] == ["input", "1", "3"]


def test_lines_mark_one_and_a_tenth():
    ax = viz.draw_deformation(deformations(mlp(3, 12, 2)), diameter=False)
    assert {line.get_ydata()[0] for line in ax.lines if line not in solid(ax)} == {1.0, 1.1}


def test_relative_to_the_smallest_radius():
    found = deformations(mlp(3, 12, 12, 2))
    ax = viz.draw_deformation(found, reference="smallest")
    first, _, last = solid(ax)
    np.testing.assert_allclose(first.get_ydata(), 1)
    ratio = [one.eccentricity / one.eccentricity[:, :1] for one in found]
    np.testing.assert_allclose(last.get_ydata(), (ratio[2] / ratio[0]).mean(axis=0))


def test_a_large_span_is_shown_logarithmically():
    ax = viz.draw_deformation(deformations(scaled_isometry(100.0)))
    ax.figure.canvas.draw()
    assert ax.get_yscale() == "log"


def test_panels_that_share_an_axis_show_all_curves():
    _, axes = plt.subplots(1, 3, sharey=True)
    for ax, scale in zip(axes, (2.0, 3.0, 0.8), strict=True):
        viz.draw_deformation(deformations(scaled_isometry(scale)), ax)
    low, high = axes[0].get_ylim()
    assert low < 0.8
    assert high > 3


@pytest.mark.parametrize("reference", ["input", "smallest"])
def test_a_network_that_forgets_its_input(reference):
    """A unit that is off everywhere maps all to one point: ratio 0, and no ratio of ratios."""
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    model.load_state_dict({"0.weight": torch.eye(3), "0.bias": torch.full((3,), -10.0)})
    ax = viz.draw_deformation(deformations(model), reference=reference)
    ax.figure.canvas.draw()
    assert np.isfinite(ax.get_ylim()).all()


def test_one_result_needs_no_list():
    assert len(solid(viz.draw_deformation(deformations(mlp(3, 12, 2))[0]))) == 1


def test_what_cannot_be_compared_is_refused():
    shallow, deep = deformations(mlp(3, 12, 2)), deformations(mlp(3, 12, 12, 2))
    with pytest.raises(sg.InvalidInputError, match="one network"):
        viz.draw_deformation([shallow[0], deep[0]])
    with pytest.raises(sg.InvalidInputError, match="one network"):
        viz.draw_deformation([])
    with pytest.raises(sg.InvalidInputError, match="same points"):
        viz.draw_deformation([shallow[0], deformations(mlp(3, 12, 2), n=7)[0]])
    with pytest.raises(sg.InvalidInputError, match="reference='largest'"):
        viz.draw_deformation(shallow, reference="largest")
