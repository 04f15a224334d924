"""A maximum splits only where the maximum itself ties: Voronoi cells, and pools whose windows share their pairs."""

import numpy as np
import pytest
import shapely
import torch
import torch.nn.functional as F
from scipy.spatial import Voronoi
from torch import nn

import splinegeo as sg
from splinegeo.testing import assert_matches_rational, assert_valid_partition, rational_witness, voronoi_network

from .zoo import Written

WINDOW = sg.Slice.box((-1, 1), (-1, 1))
SQUARE = shapely.Polygon(WINDOW.window)


class Nearest(nn.Module):
    """The largest of 2 c·u - |c|², whose argmax cells are the Voronoi cells of the seeds c."""

    def __init__(self, seeds, spelling="amax"):
        super().__init__()
        self.seeds, self.spelling = nn.Parameter(torch.as_tensor(seeds).double()), spelling

    def forward(self, u):
        scores = 2 * u @ self.seeds.T - (self.seeds**2).sum(1)
        if self.spelling == "amax":
            return scores.amax(dim=1, keepdim=True)
        if self.spelling == "max":
            return scores.max(dim=-1, keepdim=True).values
        if self.spelling == "amin":
            return -(-scores).amin(dim=1, keepdim=True)
        if self.spelling == "pool":
            return F.max_pool1d(scores[:, None], len(self.seeds)).flatten(1)
        return F.adaptive_max_pool2d(scores[:, None, None], 1).flatten(1)


def voronoi_cells(seeds):
    """scipy's cells, clipped to the window: polygons of positive area, by seed."""
    mirrored = [seeds, *(np.array([sx, sy]) * seeds + np.array([ox, oy]) for sx, sy, ox, oy in _MIRRORS)]
    diagram = Voronoi(np.concatenate(mirrored))
    return [shapely.Polygon(diagram.vertices[diagram.regions[r]]) for r in diagram.point_region[: len(seeds)]]


# Mirror images of the window in its four sides make the window's border a part of the diagram.
_MIRRORS = [(-1, 1, 2, 0), (-1, 1, -2, 0), (1, -1, 0, 2), (1, -1, 0, -2)]


def distinct_corners(polygons):
    corners = np.concatenate([np.array(p.exterior.coords)[:-1] for p in polygons])
    return len(np.unique(corners.round(7) + 0.0, axis=0))


def assert_same_cells(part, cells):
    """The same polygons, corner for corner: no vertex is left where a lost tie was dissolved."""
    assert part.n_regions == len(cells)
    assert part.n_vertices == distinct_corners(cells)
    own = part.to_shapely()
    tree = shapely.STRtree(own)
    for cell in cells:
        match = own[tree.nearest(cell.representative_point())]
        assert match.symmetric_difference(cell).area < 1e-9
        assert len(match.exterior.coords) == len(cell.exterior.coords)


@pytest.mark.parametrize("k", [3, 4, 5, 8, 13, 31, 60])
def test_voronoi_cells_are_scipys(k):
    seeds = np.random.default_rng(k).uniform(-1, 1, (k, 2))
    part = sg.compute_partition(Nearest(seeds), WINDOW)
    assert_same_cells(part, voronoi_cells(seeds))
    assert_valid_partition(part, Nearest(seeds))
    nearest = np.linalg.norm(part.centroids[:, None] - seeds, axis=2).argmin(axis=1)
    assert sorted(nearest) == list(range(k))
    left, right = part.edge_regions[(part.edge_regions >= 0).all(axis=1)].T
    assert (nearest[left] != nearest[right]).all()


@pytest.mark.parametrize("spelling", ["max", "amin", "pool", "adaptive"])
def test_spellings_of_a_maximum_give_the_same_cells(spelling):
    seeds = np.random.default_rng(0).uniform(-1, 1, (11, 2))
    assert_same_cells(sg.compute_partition(Nearest(seeds, spelling), WINDOW), voronoi_cells(seeds))


@pytest.mark.parametrize("n", [2, 3, pytest.param(8, marks=pytest.mark.slow)])
def test_seeds_on_a_square_grid_tie_by_four(n):
    axis = (np.arange(n) + 0.5) * 2 / n - 1
    seeds = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    for order in (np.arange(n * n), np.random.default_rng(n).permutation(n * n)):
        part = sg.compute_partition(Nearest(seeds[order]), WINDOW)
        assert (part.n_regions, part.n_vertices, part.n_edges) == (n * n, (n + 1) ** 2, 2 * n * (n + 1))
        assert part.check().ok


@pytest.mark.parametrize("direction", [(1, 0), (1, 1), (0.6, -0.8)])
@pytest.mark.parametrize("k", [3, 6, 17])
def test_collinear_seeds_make_parallel_strips(k, direction):
    steps = np.random.default_rng(k).permutation(np.linspace(-0.6, 0.6, k))
    part = sg.compute_partition(Nearest(steps[:, None] * np.array(direction) + 0.01), WINDOW)
    assert (part.n_regions, part.n_vertices, part.n_edges) == (k, 4 + 2 * (k - 1), 4 + 3 * (k - 1))
    assert part.check().ok


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_duplicate_seeds_make_one_cell(copies):
    rng = np.random.default_rng(copies)
    seeds = rng.uniform(-1, 1, (9, 2))
    repeated = rng.permutation(np.concatenate([seeds] * (copies + 1)))
    assert_same_cells(sg.compute_partition(Nearest(repeated), WINDOW), voronoi_cells(seeds))


def test_seeds_on_a_circle_meet_in_one_vertex():
    angle = np.arange(12) * 2 * np.pi / 12 + 0.1
    part = sg.compute_partition(Nearest(0.7 * np.stack([np.cos(angle), np.sin(angle)], 1)), WINDOW)
    assert (part.n_regions, part.n_vertices, part.n_edges) == (12, 1 + 12 + 4, 12 + 12 + 4)


def test_seeds_that_never_win_leave_no_trace():
    """Power cells: a seed with a large handicap loses everywhere."""
    seeds = torch.tensor([[0.5, 0.1], [-0.5, 0.0], [0.0, 0.6]], dtype=torch.float64)
    loser = torch.tensor([[0.1, 0.1]], dtype=torch.float64)

    def forward(module, u):
        scores = 2 * u @ torch.cat([seeds, loser]).T - torch.tensor([0.26, 0.25, 0.36, 9.0])
        return scores.amax(1, keepdim=True)

    part = sg.compute_partition(Written(forward), WINDOW)
    assert part.n_regions == 3
    assert part.n_vertices == 4 + 3 + 1


@pytest.mark.parametrize("side", [2, 3])
def test_small_voronoi_networks_match_rational_arithmetic(side):
    """Seeds on multiples of 1/4, where many cells meet exactly in one point."""
    seeds = np.random.default_rng(side).integers(-4, 5, (side * 3, 2)) / 4
    model = voronoi_network(seeds)
    part = sg.compute_partition(model, WINDOW)
    assert_matches_rational(part, rational_witness(model, WINDOW.window))


def pool(kernel, **options):
    """Overlapping windows of an affine image of 4 x 4 pixels."""
    torch.manual_seed(kernel)
    lift = nn.Linear(2, 16).double()
    lift.weight.data *= 2
    return Written(lambda m, u: F.max_pool2d(m.lift(u).view(-1, 1, 4, 4), kernel, **options).flatten(1), lift=lift)


def winners_on_grid(model, n=300):
    """Distinct argmax patterns of all windows on a dense grid."""
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    u = torch.from_numpy(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    values, winners = model(u), None
    x = model.lift(u).detach()
    winners = (x[:, None] - values.detach()[:, :, None]).abs().argmin(dim=2)
    return torch.unique(winners, dim=0)


@pytest.mark.parametrize(
    ("kernel", "options"), [(2, {}), (2, {"stride": 1}), (3, {"stride": 1}), (3, {"stride": 1, "padding": 1}), (4, {})]
)
def test_overlapping_pools_have_as_many_regions_as_argmax_patterns(kernel, options):
    """Argmax cells of one affine map are convex, so that each pattern has one region."""
    model = pool(kernel, **options)
    part = sg.compute_partition(model, WINDOW)
    assert_valid_partition(part, model)
    x = model.lift(torch.tensor(part.centroids)).detach()
    winners = (x[:, None] - model(torch.tensor(part.centroids)).detach()[:, :, None]).abs().argmin(dim=2).numpy()
    assert len(np.unique(winners, axis=0)) == part.n_regions
    large = part.areas > 1e-3
    found = {tuple(row) for row in winners_on_grid(model).tolist()}
    assert {tuple(row) for row in winners[large].tolist()} <= found <= {tuple(row) for row in winners.tolist()}
    left, right = part.edge_regions[(part.edge_regions >= 0).all(axis=1)].T
    assert (winners[left] != winners[right]).any(axis=1).all()
    inner = np.flatnonzero((part.edge_regions >= 0).all(axis=1))
    unit = part.edge_unit[inner]
    rows = np.arange(len(inner))
    assert (winners[left][rows, unit] != winners[right][rows, unit]).all()


def test_pooling_after_relu_does_not_split_where_all_are_zero():
    """Where every unit of a window is cut off, all tie at zero: nothing to decide."""
    torch.manual_seed(1)
    relu = nn.Sequential(nn.Linear(2, 8), nn.ReLU()).double()
    part = sg.compute_partition(Written(lambda m, u: m.relu(u).view(-1, 2, 4).amax(2), relu=relu), WINDOW)
    assert part.check().ok
    left, right = part.edge_regions[(part.edge_regions >= 0).all(axis=1)].T
    layer = part.edge_layer[(part.edge_regions >= 0).all(axis=1)]
    values = relu(torch.tensor(part.centroids)).view(-1, 2, 4).detach()
    active = (values > 0).numpy()
    winners = values.argmax(2).numpy()
    same_pattern = (active[left] == active[right]).all(axis=(1, 2))
    assert (same_pattern == (layer == 1)).all()
    assert (winners[left] != winners[right])[layer == 1].any(axis=1).all()


def test_degree_two_vertices_are_corners_only():
    """Dissolving lost ties leaves no vertex in the middle of a straight side."""
    model = pool(3, stride=1)
    part = sg.compute_partition(nn.Sequential(nn.Linear(2, 2), model).double(), WINDOW)
    degree = np.bincount(part.edges.ravel(), minlength=part.n_vertices)
    assert (degree == 2).sum() == 4
