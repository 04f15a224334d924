"""Linear regions where they are known, and against exact maps from rational arithmetic."""

import json
from collections import defaultdict
from itertools import combinations, pairwise

import networkx
import numpy as np
import pytest
import shapely
import torch
from splinegeo.validation import mlp
from torch import nn

import splinegeo as sg
from splinegeo.testing import (
    NETWORK_KINDS,
    Abs,
    grid_lines,
    line_network,
    linear_layer,
    random_network,
    rational_witness,
    tent_map,
)

WINDOW = sg.Slice.box((-4, 4), (-4, 4))
EUCLID = np.eye(2)


def bumps(centres, levels, heights):
    """f = Σ_c Σ_l h_l relu(t_l − |u − c|₁): piecewise affine in |u − c|₁, and 0 away from all centres."""
    m, k = len(centres), len(levels)
    shift = -np.array(centres, dtype=float).reshape(-1)
    distance = np.kron(np.eye(m), np.ones((1, 2)))
    return nn.Sequential(
        linear_layer(np.tile(EUCLID, (m, 1)), shift),
        Abs(),
        linear_layer(np.kron(-distance, np.ones((k, 1))), np.tile(levels, m)),
        nn.ReLU(),
        linear_layer(np.tile(heights, m)[None], [0.0]),
    )


def with_idle_units(model, n, rng=0):
    """The same function, its first layer followed by `n` more units that nothing listens to."""
    first, kink, second, *rest = model
    rows = np.random.default_rng(rng).normal(size=(n, 3))
    wider = linear_layer(
        np.concatenate([first.weight.detach(), rows[:, :2]]), np.concatenate([first.bias.detach(), rows[:, 2]])
    )
    deaf = linear_layer(np.concatenate([second.weight.detach(), np.zeros((len(second.bias), n))], 1), second.bias)
    return nn.Sequential(wider, kink, deaf, *rest)


def assert_sound(linear, part, model):
    """What every partition into linear regions obeys, seen by shapely, the network and the partition it came from."""
    report = linear.check(model)
    assert report.ok, report
    assert linear.check().ok
    polygons = linear.to_shapely()
    assert shapely.is_valid(polygons).all()
    np.testing.assert_allclose(shapely.area(polygons), linear.areas, rtol=1e-9)
    centres = shapely.get_coordinates(shapely.centroid(polygons))
    np.testing.assert_allclose(centres, linear.centroids, atol=1e-9)
    assert linear.areas.sum() == pytest.approx(part.areas.sum())
    owner = linear.locate(part.centroids)
    assert (owner >= 0).all()
    np.testing.assert_allclose(np.bincount(owner, weights=part.areas), linear.areas)
    np.testing.assert_allclose(linear.slope[owner], part.slope, atol=1e-9 * max(1, np.abs(part.slope).max()))
    inner = linear.edge_regions[linear.inner_edges]
    difference = np.abs(linear.slope[inner[:, 0]] - linear.slope[inner[:, 1]]).max(axis=(1, 2))
    assert (difference > 1e-9).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_unit_that_nothing_listens_to_draws_no_line(n):
    rows = grid_lines(n, 1) + np.random.default_rng(n).normal(scale=0.05, size=(n + 1, 3))
    model = line_network(rows)
    model.append(nn.Linear(n + 1, 2).double())
    with torch.no_grad():
        model[-1].weight[:, 0] = 0
    domain = sg.Slice.box((0, 1), (0, 1))
    part, without = sg.compute_partition(model, domain), sg.compute_partition(line_network(rows[1:]), domain)
    linear = sg.linear_regions(part)
    assert part.n_regions > linear.n_regions == without.n_regions
    np.testing.assert_allclose(np.sort(linear.areas), np.sort(without.areas))
    assert_sound(linear, part, model)


def test_opposite_units_that_add_up_to_an_affine_map_leave_one_region():
    rows = np.random.default_rng(0).normal(size=(6, 3))
    model = line_network(np.concatenate([rows, -rows]))
    model.append(linear_layer(np.concatenate([np.eye(6), -np.eye(6)], axis=1), np.zeros(6)))
    part = sg.compute_partition(model, WINDOW)
    linear = sg.linear_regions(part)
    assert part.n_regions > 15
    assert linear.n_regions == 1
    assert set(map(tuple, WINDOW.window)) <= set(map(tuple, linear.region(0)))
    assert (linear.edge_layer == -1).all()
    assert_sound(linear, part, model)


@pytest.mark.parametrize("idle", [0, 1, 7, 30])
def test_a_plateau_around_a_crater_is_one_region_with_a_hole(idle):
    """f = relu(2 − r) − relu(1 − r), r = |x| + |y|: flat beyond 2 and within 1, four facets between."""
    model = with_idle_units(bumps([(0, 0)], [2.0, 1.0], [1.0, -1.0]), idle)
    part = sg.compute_partition(model, WINDOW)
    linear = sg.linear_regions(part)
    assert linear.n_regions == 6
    np.testing.assert_allclose(np.sort(linear.areas), [1.5] * 4 + [2, 56])
    outer = linear.to_shapely()[linear.areas.argmax()]
    assert len(outer.interiors) == 1
    table = sg.region_statistics(linear)[linear.areas.argmax()]
    assert table["perimeter"] == pytest.approx(32 + 8 * np.sqrt(2))
    assert table["n_vertices"] == sum(len(ring.coords) - 1 for ring in (outer.exterior, *outer.interiors))
    assert_sound(linear, part, model)


@pytest.mark.parametrize("idle", [0, 40])
def test_several_holes_and_islands_in_holes(idle):
    """Two craters apart from each other: a plain with two holes, a floor in each, four facets around each floor."""
    model = with_idle_units(bumps([(2, 0), (-2, 1)], [1.5, 1.0, 0.5], [1.0, -1.0, 2.0]), idle)
    part = sg.compute_partition(model, WINDOW)
    linear = sg.linear_regions(part)
    craters = [0.5 / 4] * 8 + [2 - 0.5] * 2 + [(4.5 - 2) / 4] * 8
    np.testing.assert_allclose(np.sort(linear.areas), [*sorted(craters), 64 - 9])
    holes = [len(polygon.interiors) for polygon in linear.to_shapely()]
    assert sorted(holes) == [0] * 16 + [1, 1, 2]
    assert_sound(linear, part, model)


def test_holes_that_touch_in_a_vertex():
    """Two bumps of radius 1 around (±1, 0) share the vertex at the origin."""
    model = bumps([(1, 0), (-1, 0)], [1.0], [1.0])
    part = sg.compute_partition(model, WINDOW)
    linear = sg.linear_regions(part)
    assert linear.n_regions == 9
    assert_sound(linear, part, model)


def test_points_are_located_around_a_hole():
    model = bumps([(0, 0)], [2.0, 1.0], [1.0, -1.0])
    linear = sg.linear_regions(sg.compute_partition(model, WINDOW))
    plain, floor = linear.areas.argmax(), np.flatnonzero(np.isclose(linear.areas, 2))[0]
    assert linear.locate([[3, 3], [-3, 0.5], [0.1, 0.2], [5, 0]]).tolist() == [plain, plain, floor, -1]
    np.testing.assert_allclose(linear.evaluate([[3, 3], [0.1, 0.2], [1, 0.5]])[:, 0], [0, 1, 0.5])
    assert shapely.contains_xy(linear.to_shapely()[plain], *linear.interior_points[plain])


def test_dead_units_behind_a_line():
    """Where relu(−1 − relu(x)) is off everywhere, the line x = 0 separates nothing."""
    model = nn.Sequential(
        linear_layer([[1, 0], [0, 1]], [0, 0]),
        nn.ReLU(),
        linear_layer([[-1, 0], [0, 1]], [-1, 0]),
        nn.ReLU(),
        linear_layer([[1, 1]], [0]),
    )
    part = sg.compute_partition(model, WINDOW)
    linear = sg.linear_regions(part)
    assert (part.n_regions, linear.n_regions) == (4, 2)
    assert_sound(linear, part, model)


def test_the_tent_map_has_no_idle_edge():
    model = tent_map(3)
    part = sg.compute_partition(model, sg.Slice.box((0, 1), (0, 1)))
    linear = sg.linear_regions(part)
    assert linear.n_regions == 64
    assert_sound(linear, part, model)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_generic_networks_stay_as_they_are(slope):
    model = mlp(2, 12, 12, 3, seed=4).double()
    for place, module in enumerate(model):
        if isinstance(module, nn.ReLU) and slope:
            model[place] = nn.LeakyReLU(slope)
    part = sg.compute_partition(model, WINDOW)
    linear = sg.linear_regions(part)
    assert linear.kind == "linear"
    for name in ("vertices", "edges", "edge_regions", "edge_layer", "edge_unit", "region_vertices", "region_edges",
                 "region_offsets", "slope", "offset"):  # fmt: skip
        np.testing.assert_array_equal(getattr(linear, name), getattr(part, name), err_msg=name)


def test_merging_twice_changes_nothing():
    linear = sg.linear_regions(sg.compute_partition(with_idle_units(bumps([(0, 0)], [2.0, 1.0], [1, -1]), 9), WINDOW))
    again = sg.linear_regions(linear)
    for name in ("vertices", "edges", "edge_regions", "region_vertices", "region_edges", "region_offsets"):
        np.testing.assert_array_equal(getattr(again, name), getattr(linear, name), err_msg=name)


def share_a_side(one, other):
    """Whether two exact convex polygons have a stretch of positive length in common."""
    return any(overlap(a, b, c, d) for a, b in sides(one.corners) for c, d in sides(other.corners))


def sides(corners):
    return list(pairwise([*corners, corners[0]]))


def overlap(a, b, c, d):
    def height(p):
        return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])

    if height(c) or height(d):
        return False
    axis = 0 if a[0] != b[0] else 1
    low = max(min(a[axis], b[axis]), min(c[axis], d[axis]))
    return low < min(max(a[axis], b[axis]), max(c[axis], d[axis]))


def rational_linear_areas(regions):
    """Areas of the linear regions, by exact maps and exact sides."""
    by_map = defaultdict(list)
    for region in regions:
        by_map[region.affine_map].append(region)
    areas = []
    for same in by_map.values():
        graph = networkx.Graph()
        graph.add_nodes_from(range(len(same)))
        graph.add_edges_from((i, j) for i, j in combinations(range(len(same)), 2) if share_a_side(same[i], same[j]))
        areas += [sum(same[i].area for i in group) for group in networkx.connected_components(graph)]
    return sorted(areas)


def assert_as_exact_maps_say(kind, seeds):
    for seed in seeds:
        model, window = random_network(kind, seed)
        part = sg.compute_partition(model, sg.Slice.polygon(window))
        exact = rational_linear_areas(rational_witness(model, window).regions)
        linear = sg.linear_regions(part)
        assert linear.n_regions == len(exact), (kind, seed)
        np.testing.assert_allclose(np.sort(linear.areas), [float(a) for a in exact], rtol=1e-6, atol=1e-12)
        assert_sound(linear, part, model)


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_as_many_as_exact_maps_say(kind):
    assert_as_exact_maps_say(kind, [1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_many_as_many_as_exact_maps_say(kind):
    assert_as_exact_maps_say(kind, range(2, 26))


def test_neighbours_share_several_edges_and_one_edge_of_the_graph():
    linear = sg.linear_regions(sg.compute_partition(bumps([(0, 0)], [2.0, 1.0], [1.0, -1.0]), WINDOW))
    graph = linear.to_networkx()
    assert sorted(degree for _, degree in graph.degree()) == [4] * 6
    plain = int(linear.areas.argmax())
    total = sum(data["length"] for _, _, data in graph.edges(plain, data=True))
    assert total == pytest.approx(8 * np.sqrt(2))


def test_files_remember_the_kind(tmp_path):
    model = bumps([(0, 0)], [2.0, 1.0], [1.0, -1.0])
    linear = sg.linear_regions(sg.compute_partition(model, WINDOW))
    linear.save(tmp_path / "linear.npz")
    loaded = sg.Partition.load(tmp_path / "linear.npz")
    assert loaded.kind == "linear"
    assert loaded.check(model).ok
    np.testing.assert_array_equal(loaded.slope, linear.slope)
    assert len(loaded.to_shapely()[loaded.areas.argmax()].interiors) == 1


@pytest.mark.parametrize("kind", [None, "linear", "convex"])
def test_files_without_a_kind_are_of_activation_regions_and_unknown_kinds_are_refused(tmp_path, kind):
    path = tmp_path / "part.npz"
    sg.compute_partition(mlp(2, 3, 1), WINDOW).save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(arrays["meta"].tobytes())
    del meta["kind"], meta["checksum"]
    meta["format"] = "splinegeo-partition-1"
    meta |= {} if kind is None else {"kind": kind}
    np.savez(path, **arrays | {"meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)})
    if kind == "convex":
        with pytest.raises(sg.PartitionFileError, match="kind = 'convex', which is not a known kind"):
            sg.Partition.load(path)
    else:
        assert sg.Partition.load(path).kind == (kind or "activation")


def test_the_boundary_is_asked_of_convex_regions():
    linear = sg.linear_regions(sg.compute_partition(mlp(2, 3, 1), WINDOW))
    with pytest.raises(sg.InvalidInputError, match="convex regions"):
        sg.decision_boundary(linear)
