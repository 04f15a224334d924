"""Slices: orthonormal, centred where they say, and never degenerate."""

import numpy as np
import pytest
import torch

import splinegeo as sg


@pytest.fixture
def anchors():
    return np.random.default_rng(0).normal(size=(3, 1, 28, 28))


def test_through_contains_its_anchors_and_centres_at_their_mean(anchors):
    domain = sg.Slice.through(*anchors, margin=0.25)
    u = domain.project(anchors)
    assert domain.input_shape == (1, 28, 28)
    np.testing.assert_allclose(domain.embed(u).numpy(), anchors, atol=1e-12)
    np.testing.assert_allclose(domain.origin, anchors.mean(0).ravel())
    half = 1.25 * np.linalg.norm((anchors - anchors.mean(0)).reshape(3, -1), axis=1).max()
    np.testing.assert_allclose(np.abs(domain.window), half)


@pytest.mark.parametrize("make", [lambda a: sg.Slice.through(*a), lambda a: sg.Slice.around(a[0], 0.1, rng=3)])
def test_basis_is_orthonormal(make, anchors):
    basis = make(anchors).basis
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-14)


def test_project_inverts_embed(anchors):
    domain = sg.Slice.around(torch.from_numpy(anchors[0]), 2.0)
    u = np.random.default_rng(1).uniform(-2, 2, (50, 2))
    np.testing.assert_allclose(domain.project(domain.embed(u)), u, atol=1e-12)


def test_around_draws_its_plane_from_the_rng(anchors):
    planes = [sg.Slice.around(anchors[0], 1.0, rng=seed).basis for seed in (0, 0, 1)]
    np.testing.assert_array_equal(planes[0], planes[1])
    assert not np.allclose(planes[0], planes[2])


def test_window_is_counter_clockwise_whatever_is_given():
    corners = [(0, 0), (0, 1), (1, 1), (1, 0)]
    window = sg.Slice.polygon(corners).window
    following = np.roll(window, -1, axis=0)
    assert np.sum(window[:, 0] * following[:, 1] - window[:, 1] * following[:, 0]) == 2.0


def test_corners_on_straight_sides_are_dropped():
    assert len(sg.Slice.polygon([(0, 0), (1, 0), (2, 0), (2, 2), (0, 2)]).window) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sg.Slice.through([0.0, 0], [1.0, 1], [2.0, 2]), "collinear"),
        (lambda: sg.Slice.through([0.0, 0], [0.0, 0], [2.0, 2]), "coincide"),
        (lambda: sg.Slice.box((0, 0), (0, 1)), "no area"),
        (lambda: sg.Slice.around(np.zeros(5), 0.0), "no area"),
        (lambda: sg.Slice.around(np.zeros(1), 1.0), "two dimensions"),
        (lambda: sg.Slice.polygon([(0, 0), (1, 0)]), "three corners"),
        (lambda: sg.Slice.polygon([(0, 0), (2, 0), (0.5, 0.5), (0, 2)]), "not convex"),
        (lambda: sg.Slice.polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "no area"),
        (lambda: sg.Slice(np.zeros(2), np.array([[1.0, 1.0], [0.0, 1.0]]), np.eye(3, 2), (2,)), "orthonormal"),
    ],
)
def test_degenerate_slices_are_refused_in_one_sentence(make, message):
    with pytest.raises(sg.DegenerateSliceError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_nan_anchor_is_refused():
    with pytest.raises(sg.NonFiniteError, match="anchor"):
        sg.Slice.through([0.0, np.nan], [1.0, 0], [0.0, 1])


def test_anchors_of_different_shapes_are_refused():
    with pytest.raises(sg.InvalidInputError, match="different shapes"):
        sg.Slice.through(np.zeros(3), np.ones(3), np.ones(4))


def test_arrays_are_read_only(anchors):
    domain = sg.Slice.through(*anchors)
    for array in (domain.origin, domain.basis, domain.window):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
