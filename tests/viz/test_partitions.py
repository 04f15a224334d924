from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import splinegeo as sg
from splinegeo import viz
from splinegeo.testing import line_network, linear_layer


def by_gid(ax, gid):
    return next(c for c in ax.collections if c.get_gid() == gid)


def test_brightness_grows_with_the_slope_norm(part):
    regions = by_gid(viz.draw_partition(part), "regions")
    regions.update_scalarmappable()
    colours = regions.get_facecolor()
    assert len(colours) == part.n_regions
    luminance = colours[:, :3] @ (0.299, 0.587, 0.114)
    assert (np.diff(luminance[np.argsort(part.slope_norm())]) >= -1e-9).all()


def test_equal_slopes_have_equal_colours_in_all_pictures(parts):
    limits = viz.colour_limits(parts)
    norms = [by_gid(viz.draw_partition(p, limits=limits), "regions").norm for p in parts]
    assert len({(norm.vmin, norm.vmax) for norm in norms}) == 1


def test_fifty_thousand_regions_are_a_handful_of_artists(part, many):
    assert many.n_regions > 45_000
    counts = []
    for p in (part, many):
        ax = viz.draw_partition(p, "area", edges="layer")
        ax.figure.canvas.draw()
        counts.append(len(ax.get_children()))
        assert len(ax.collections) == 2
    assert counts[0] == counts[1]


def test_lines_are_thinner_where_there_are_more(part, many):
    few, lots = (by_gid(viz.draw_partition(p, None), "edges").get_linewidths()[0] for p in (part, many))
    assert lots < few


def test_edges_by_layer_have_one_path_for_each_layer_and_the_border(part):
    edges = by_gid(viz.draw_partition(part, None), "edges")
    assert len(edges.get_paths()) == len(part.layer_names) + 1
    assert sum(len(path.vertices) for path in edges.get_paths()) == 2 * part.n_edges


def test_a_bridge_to_a_hole_is_not_drawn():
    """Two rings around the origin, of which the outer plain is one linear region with a hole."""
    rings = line_network([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)])  # their sum is |x| + |y|
    rings.extend([linear_layer([[1.0] * 4] * 2, [-0.5, -1.0]), torch.nn.ReLU(), linear_layer([[1.0, -1.0]], [0.0])])
    linear = sg.linear_regions(sg.compute_partition(rings.float(), sg.Slice.box((-2, 2), (-2, 2))))
    assert linear.n_regions == 6
    bridges = linear.edge_regions[:, 0] == linear.edge_regions[:, 1]
    assert bridges.any()
    ax = viz.draw_partition(linear, "layer", edges="layer")
    drawn = sum(len(path.vertices) for path in by_gid(ax, "edges").get_paths())
    assert drawn == 2 * (linear.n_edges - bridges.sum())
    plain = linear.areas.argmax()
    assert by_gid(ax, "regions").get_array()[plain] == 1  # the second ring made it; its bridge, the first layer
    ax.figure.canvas.draw()


@pytest.mark.parametrize("edges", ["nonsense", "layers"])
def test_unknown_edges_are_named(part, edges):
    with pytest.raises(sg.InvalidInputError, match=f"edges='{edges}'"):
        viz.draw_partition(part, edges=edges)


def test_view_is_the_window_with_equal_aspect(part):
    ax = viz.draw_partition(part)
    assert ax.get_xlim() == (-2, 2)
    assert ax.get_ylim() == (-2, 2)
    assert ax.get_aspect() == 1
    assert "slice coordinate" in ax.get_xlabel()


def test_given_axes_are_used_and_returned(part):
    figure, ax = plt.subplots()
    assert viz.draw_partition(part, ax=ax) is ax
    assert plt.get_fignums() == [figure.number]


def test_colours_by_a_function_and_by_an_array_agree(part):
    by_array = by_gid(viz.draw_partition(part, part.areas), "regions").get_array()
    by_function = by_gid(viz.draw_partition(part, lambda p: p.areas), "regions").get_array()
    assert np.array_equal(by_array, by_function)


def test_a_norm_with_open_ends_is_accepted(part):
    ax = viz.draw_partition(part, norm=plt.Normalize())
    assert by_gid(ax, "regions").norm.vmin == part.slope_norm().min()


def test_colour_bar_has_a_label_and_can_be_left_out(part):
    bar = viz.draw_partition(part).child_axes[0]
    assert "slope norm" in bar.get_ylabel()
    assert viz.draw_partition(part, label="mine").child_axes[0].get_ylabel() == "mine"
    assert not viz.draw_partition(part, colorbar=False).child_axes
