"""The frozen record: what its arrays say, and what is derived from them."""

import networkx as nx
import numpy as np
import pytest
import shapely
import torch

import splinegeo as sg


def test_euler_areas_and_sides(part):
    assert part.n_vertices - part.n_edges + part.n_regions == 1
    assert part.areas.sum() == pytest.approx(15.0, rel=1e-12)
    inner = (part.edge_regions >= 0).all(axis=1)
    assert ((part.edge_layer >= 0) == inner).all()


def test_areas_and_centroids_are_shapelys(part):
    polygons = part.to_shapely()
    assert len(polygons) == part.n_regions
    assert shapely.is_valid(polygons).all()
    np.testing.assert_allclose(part.areas, shapely.area(polygons), rtol=1e-6, atol=1e-13)
    centroids = shapely.get_coordinates(shapely.centroid(polygons))
    large = part.areas > 1e-6
    np.testing.assert_allclose(part.centroids[large], centroids[large], atol=1e-7)
    assert shapely.unary_union(polygons).area == pytest.approx(15.0)


def test_region_is_its_loop(part):
    for i in (0, 7, part.n_regions - 1, -1):
        assert shapely.Polygon(part.region(i)).equals(part.to_shapely()[i])
    with pytest.raises(IndexError, match="regions"):
        part.region(part.n_regions)


def test_arrays_are_read_only(part):
    for array in (part.vertices, part.edges, part.areas, part.slope, part.offset, part.slope_norm()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        part.vertices = None


def test_slopes_are_autograd_jacobians(part, model):
    rng = np.random.default_rng(0)
    for r in rng.choice(part.n_regions, 30, replace=False):
        x = part.domain.embed(part.centroids[r])[0]
        jacobian = torch.autograd.functional.jacobian(model, x).numpy() @ part.domain.basis
        np.testing.assert_allclose(part.slope[r], jacobian, atol=1e-10)


def test_slope_norm_is_frobenius(part):
    np.testing.assert_allclose(part.slope_norm(), np.sqrt((part.slope**2).sum((1, 2))))


def test_evaluate_is_the_network(part, model):
    u = np.random.default_rng(1).uniform([-2, -1], [3, 2], (2000, 2))
    with torch.no_grad():
        np.testing.assert_allclose(part.evaluate(u), model(torch.from_numpy(u)).numpy(), atol=1e-10)


def test_evaluate_outside_is_nan(part):
    assert np.isnan(part.evaluate([[9.0, 9.0]])).all()


def test_locate_finds_centroids_and_refuses_the_outside(part):
    np.testing.assert_array_equal(part.locate(part.centroids), np.arange(part.n_regions))
    outside = [[-2.001, 0], [3.001, 0], [0, 2.001], [0, -1.001], [50, 50], [np.nan, 0]]
    assert (part.locate(outside) == -1).all()


def test_locate_gives_every_point_of_the_window_a_region_that_contains_it(part):
    u = np.concatenate([part.vertices, part.vertices[part.edges].mean(axis=1), part.domain.window])
    region = part.locate(u)
    assert (region >= 0).all()
    assert (shapely.distance(part.to_shapely()[region], shapely.points(u)) < 1e-9).all()


def test_neighbours_differ_by_rank_one_along_the_normal(part):
    inner = np.flatnonzero((part.edge_regions >= 0).all(axis=1))
    left, right = part.edge_regions[inner].T
    tangent = np.diff(part.vertices[part.edges[inner]], axis=1)[:, 0]
    long = np.linalg.norm(tangent, axis=1) > 1e-6
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    jump = part.slope[left] - part.slope[right]
    along = np.abs(np.einsum("noi,ni->no", jump, tangent)[long])
    assert along.max() < 1e-8


def test_networkx_graph_is_the_adjacency(part):
    graph = part.to_networkx()
    assert graph.number_of_nodes() == part.n_regions
    assert graph.number_of_edges() == (part.edge_regions >= 0).all(axis=1).sum()
    assert nx.is_connected(graph)
    assert nx.check_planarity(graph)[0]
    assert 2 * graph.number_of_edges() / part.n_regions < 4
    polygons = part.to_shapely()
    for a, b, data in list(graph.edges(data=True))[:50]:
        shared = shapely.length(shapely.intersection(polygons[a], polygons[b], grid_size=1e-12))
        assert shared == pytest.approx(data["length"], abs=1e-9)
        assert part.layer_names[data["layer"]] in ("1", "3")


def test_unit_of_edge_is_zero_along_the_edge(part, model):
    for edge in np.flatnonzero(part.edge_layer >= 0)[::37]:
        name, (unit,) = part.unit_of_edge(int(edge))
        u = part.vertices[part.edges[edge]]
        before = model[: int(name)](part.domain.embed(u))
        assert before[:, unit].abs().max() < 1e-12
    with pytest.raises(sg.InvalidInputError, match="border"):
        part.unit_of_edge(int(np.flatnonzero(part.edge_layer < 0)[0]))
