from __future__ import annotations

import numpy as np
import pytest
import torch
from splinegeo.viz.colorbars import log_ticks
from splinegeo.viz.colouring import quantity

import splinegeo as sg
from splinegeo import viz


def test_unknown_colour_is_answered_with_the_known_ones(part):
    with pytest.raises(sg.InvalidInputError, match=r"'slop' is not known: choose 'slope_norm', .*'class'"):
        viz.draw_partition(part, "slop")


def test_numbers_per_region_must_be_as_many_as_regions(part):
    with pytest.raises(sg.InvalidInputError, match=r"shape \(3,\)"):
        viz.draw_partition(part, np.zeros(3))


def test_classes_are_those_of_the_network(part):
    output = part.evaluate(part.centroids)
    assert np.array_equal(quantity(part, "class").values, output.argmax(axis=1))


def test_one_output_is_coloured_by_its_sign():
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(2, 9), torch.nn.ReLU(), torch.nn.Linear(9, 1)).double()
    part = sg.compute_partition(model, sg.Slice.box((-3, 3), (-3, 3)))
    shown = quantity(part, "class")
    assert shown.categories == ("negative", "positive")
    assert np.array_equal(shown.values == 1, model(torch.tensor(part.centroids))[:, 0].detach().numpy() > 0)
    assert 0 < shown.values.mean() < 1


def test_layer_of_birth_is_the_deepest_layer_among_the_edges(part):
    birth = quantity(part, "layer").values
    for region in range(part.n_regions):
        own = (part.edge_regions == region).any(axis=1)
        assert birth[region] == part.edge_layer[own].max()
    assert set(birth) == {0, 1}


def test_relative_slope_has_mean_one_over_the_area(parts):
    for part in parts:
        values = quantity(part, "relative_slope").values
        assert values @ part.areas / part.areas.sum() == pytest.approx(1)


def test_limits_of_many_cover_the_limits_of_each(parts):
    low, high = viz.colour_limits(iter(parts))
    assert 0 < low < high
    assert low <= viz.colour_limits(parts[0])[0] * 1.5
    assert high >= viz.colour_limits(parts[-1])[1] / 1.5


def test_limits_of_nothing_and_of_classes(part):
    with pytest.raises(sg.InvalidInputError, match="no partition"):
        viz.colour_limits([])
    assert viz.colour_limits(part, "class") is None


@pytest.mark.parametrize("limits", [(2, 1), (0, np.nan), (1,)])
def test_wrong_limits_are_named(part, limits):
    with pytest.raises(sg.InvalidInputError, match="two finite numbers"):
        viz.draw_partition(part, limits=limits)


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_one_slope_everywhere_still_has_a_scale(weight):
    model = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(model.weight, weight)
    part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    for color in ("slope_norm", "relative_slope", "area", "class", "layer"):
        ax = viz.draw_partition(part, color)
        ax.figure.canvas.draw()
        (regions,) = (artist for artist in ax.collections if artist.get_gid() == "regions")
        assert regions.norm.vmin < regions.norm.vmax


def test_ticks_are_round_and_inside():
    for low, high in ((1e-6, 3e5), (0.9, 1.1), (4.1, 8.3), (3e-9, 4e-9)):
        ticks = log_ticks(low, high)
        assert 2 <= len(ticks) <= 11
        assert all(low <= tick <= high for tick in ticks)
