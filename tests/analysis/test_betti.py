"""Betti numbers, against unions of polygons by shapely and closed forms."""

import networkx
import numpy as np
import pytest
import shapely
import torch
from torch import nn

import splinegeo as sg
from splinegeo.analysis.decision_cells import decision_cells
from splinegeo.testing import NETWORK_KINDS, linear_layer, random_network


def by_shapely(part):
    """Components and holes of the union of each class's cells, snapped together on a fine grid, which leaves cracks.

    Holes that touch the window's border are none of the open region's, and the union has them as bays.
    """
    cells = decision_cells(part)
    rings = [cells.vertices[cells.corners[a:b]] for a, b in zip(cells.offsets[:-1], cells.offsets[1:], strict=True)]
    polygons = np.array([shapely.Polygon(ring) for ring in rings])
    components, holes = [], []
    for k in range(max(2, part.offset.shape[1])):
        union = shapely.union_all(polygons[cells.winner == k], grid_size=1e-10)
        parts = [p for p in shapely.get_parts(union) if p.geom_type == "Polygon" and p.area > 1e-12]
        components.append(len(parts))
        holes.append(sum(shapely.Polygon(hole).area > 1e-8 for p in parts for hole in p.interiors))
    return components, holes


def check(part):
    found = sg.betti_numbers(part)
    assert (found.components.tolist(), found.holes.tolist()) == by_shapely(part)
    boundary = sg.decision_boundary(part)
    graph = networkx.MultiGraph(boundary.ends.tolist())
    assert found.boundary_components == networkx.number_connected_components(graph)
    cycles = graph.number_of_edges() - graph.number_of_nodes() + found.boundary_components
    assert found.boundary_holes == cycles
    return found


def test_random_networks(classified):
    _, part = classified
    assert check(part).components.sum() > 1


@pytest.mark.parametrize("kind", [k for k in NETWORK_KINDS if "quantised" in k or k in ("abs", "generic", "max")])
def test_networks_with_many_islands(kind):
    for seed in range(2):
        body, window = random_network(kind, seed)
        rng = np.random.default_rng(seed)
        last = linear_layer(rng.normal(size=(3, body[-1].in_features)), np.zeros(3))
        check(sg.compute_partition(nn.Sequential(*body[:-1], last), sg.Slice.polygon(window)))


class Rings(nn.Module):
    """Positive where the distance to the nearest odd integer in the maximum norm is less than 1/2: square rings."""

    def forward(self, u):
        r = u.abs().amax(dim=1, keepdim=True)
        return 0.5 - torch.minimum((r - 1).abs(), (r - 3).abs())


def test_rings_surround_each_other():
    found = check(sg.compute_partition(Rings(), sg.Slice.box((-4, 4), (-4, 4))))
    assert found.components.tolist() == [3, 2]  # the middle, between the rings, outside; the rings
    assert found.holes.tolist() == [2, 2]
    assert (found.boundary_components, found.boundary_holes) == (4, 4)


def test_what_the_border_cuts_open_has_no_hole():
    found = check(sg.compute_partition(Rings(), sg.Slice.box((0, 4), (-4, 4))))
    assert found.components.tolist() == [3, 2]
    assert found.holes.tolist() == [0, 0]
    assert (found.boundary_components, found.boundary_holes) == (4, 0)


def test_parts_that_touch_in_a_point_are_two():
    """The sign of |x| − |y|: four sectors around one point, two and two."""
    model = nn.Sequential(
        linear_layer([[1, 0], [-1, 0], [0, 1], [0, -1]], [0] * 4), nn.ReLU(), linear_layer([[1, 1, -1, -1]], [0])
    )
    found = check(sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1))))
    assert found.components.tolist() == [2, 2]
    assert found.holes.tolist() == [0, 0]
    assert (found.boundary_components, found.boundary_holes) == (1, 0)


def test_one_class_wins_everywhere():
    found = sg.betti_numbers(
        sg.compute_partition(linear_layer(np.zeros((3, 2)), [0, 1, 0]), sg.Slice.box((0, 1), (0, 1)))
    )
    assert found.components.tolist() == [0, 1, 0]
    assert found.holes.tolist() == [0, 0, 0]
    assert (found.boundary_components, found.boundary_holes) == (0, 0)
