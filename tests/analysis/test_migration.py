"""The migration index: known values, invariances, zero for chance; and the rule that says when regions migrated."""

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.testing import line_network, linear_layer

SQUARE = sg.Slice.box((-2, 2), (-2, 2))
LINE = [[[0.0, -2.0], [0.0, 2.0]]]


def lines(rows, domain=SQUARE):
    return sg.compute_partition(line_network(rows), domain)


def random_lines(n, rng, reach=3.0):
    """Rows of n lines of the isotropic line process: uniform direction, uniform distance from the origin."""
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(angle), np.sin(angle), rng.uniform(-reach, reach, n)], axis=1)


def test_known_densities():
    """Two vertical edges of length 4, both 0.05 away from the boundary x = 0, one of them through the data."""
    part = lines([(1, 0, -0.05), (1, 0, 0.05), (1, 0, -1)])
    assert sg.migration_index(part, to=LINE, reach=0.025) == pytest.approx(np.log2((8 / 0.8) / (12 / 16)))
    data = 2 * 0.1 / (np.pi * 0.1**2)
    found = sg.migration_index(part, [[1, 0]], to=LINE, reach=0.025)
    assert found == pytest.approx(np.log2((8 / 0.8) / data), abs=1e-4)


def test_the_sign_says_where_the_edges_are():
    near, far = lines([(1, 0, -0.01), (1, 0, -1.9)]), lines([(1, 0, -1.0), (1, 0, -0.99)])
    data = [[1, 0.3]]
    assert sg.migration_index(near, data, to=LINE) == np.inf
    assert sg.migration_index(far, data, to=LINE) == -np.inf
    assert np.isnan(sg.migration_index(lines([(1, 0, -1.9)]), data, to=LINE))


def test_no_boundary_no_index():
    part = sg.compute_partition(nn.Sequential(nn.Linear(2, 4), nn.ReLU()), sg.Slice.box((0, 1), (0, 1)))
    assert np.isnan(sg.migration_index(part, to=np.zeros((0, 2, 2))))


@pytest.mark.parametrize(("turn", "scale"), [(0.7, 1.0), (0.0, 5.0), (2.5, 0.01)])
def test_similarity(turn, scale):
    """The same network on a slice that is turned about the origin and scaled."""
    rng = np.random.default_rng(0)
    rows, data = random_lines(60, rng), rng.uniform(-1, 1, (3, 2))
    boundary = rng.uniform(-2, 2, (4, 2, 2))
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    moved = np.concatenate([rows[:, :2] @ rotation.T, rows[:, 2:] * scale], axis=1)
    domain = sg.Slice.polygon(scale * SQUARE.window @ rotation.T)
    before = sg.migration_index(lines(rows), data, to=boundary, reach=0.05)
    after = sg.migration_index(
        lines(moved, domain), scale * data @ rotation.T, to=scale * boundary @ rotation.T, reach=0.05
    )
    assert after == pytest.approx(before, abs=1e-3)


def assert_zero_on_average(indices):
    """Within three standard errors, and the lean of a logarithm: E log₂ x ≈ log₂ E x − var(log₂ x) · ln 2 / 2."""
    spread = np.std(indices, ddof=1)
    assert spread < 0.6
    assert abs(np.mean(indices)) < 3 * spread / np.sqrt(len(indices)) + spread**2 * np.log(2) / 2


def test_edges_that_know_nothing_of_the_boundary_have_index_zero():
    """Isotropic line processes, each with a straight boundary and eight points that were drawn apart from it."""
    rng = np.random.default_rng(0)
    networks = [line_network(random_lines(80, rng)) for _ in range(40)]
    found = []
    for part in sg.compute_partitions(networks[0], SQUARE, states=[network.state_dict() for network in networks]):
        middle, angle = rng.uniform(-1, 1, 2), rng.uniform(0, np.pi)
        boundary = [middle + np.outer([-6, 6], [np.cos(angle), np.sin(angle)])]
        data = rng.uniform(-1.5, 1.5, (8, 2))
        found.append([sg.migration_index(part, points, to=boundary, reach=0.05) for points in (None, data)])
    for indices in np.transpose(found):
        assert_zero_on_average(indices)


def test_networks_at_initialisation_have_index_about_zero():
    """Their boundary is found on the slice itself: classes tie along it, and it bends at edges."""
    n, rng = 30, np.random.default_rng(1)
    states = []
    for _ in range(n):
        model = line_network(random_lines(60, rng)).append(linear_layer(rng.normal(size=(3, 60)), np.zeros(3)))
        with torch.no_grad():  # all classes tie somewhere in the window
            model[-1].bias -= model(torch.from_numpy(rng.uniform(-1, 1, (1, 2))))[0]
        states.append(model.state_dict())
    found = [sg.migration_index(part, reach=0.05) for part in sg.compute_partitions(model, SQUARE, states=states)]
    assert_zero_on_average(found)


@pytest.mark.parametrize("reach", [0, -1, np.inf, np.nan])
def test_reach_is_positive(reach):
    with pytest.raises(sg.InvalidInputError, match="reach must be"):
        sg.migration_index(lines([(1, 0, 0)]), to=LINE, reach=reach)


def test_an_increase_in_every_slice_is_migration():
    index = np.random.default_rng(0).normal(scale=0.3, size=(5, 8))
    index[3:] += 1.0
    found = sg.find_migration(index)
    assert found.migrated.tolist() == [False, False, False, True, True]
    assert found.onset == 3
    np.testing.assert_allclose(found.increase, (index - index[0]).mean(axis=1))
    later = sg.find_migration(index, since=3)
    assert later.onset is None


def test_the_margin_is_that_of_student():
    found = sg.find_migration([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]], level=0.95)
    assert found.margin[1] == pytest.approx(2.919986 / np.sqrt(3), rel=1e-6)


def test_chance_is_called_migration_as_rarely_as_promised():
    index = np.random.default_rng(0).normal(size=(1000, 6, 7))
    called = np.mean([sg.find_migration(table, level=0.9).onset is not None for table in index])
    assert 0.04 < called < 0.115  # at most 0.1, less for tests that depend on each other


def test_one_slice_is_no_evidence():
    found = sg.find_migration([[-3.0], [5.0]])
    assert found.increase[1] == 8
    assert found.onset is None


def test_slices_without_an_index_are_left_out():
    index = np.array([[np.nan, -0.5, -0.6, -0.4], [2.0, 0.5, 0.6, np.inf], [0.0, 0.4, 0.7, 0.5]])
    found = sg.find_migration(index, level=0.9)
    assert found.mean[0] == pytest.approx(-0.5)
    assert found.increase[1] == pytest.approx(1.1)
    assert found.increase[2] == pytest.approx((0.9 + 1.3 + 0.9) / 3)
    assert found.onset == 1
    assert sg.find_migration(np.full((3, 4), np.nan)).onset is None


@pytest.mark.parametrize(
    ("index", "options", "message"),
    [([1.0, 2.0], {}, "shape"), (np.zeros((2, 3)), {"since": 2}, "row 2"), (np.zeros((2, 3)), {"level": 1}, "level")],
)
def test_bad_tables(index, options, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.find_migration(index, **options)
