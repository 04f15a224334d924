"""Slices: orthonormal, centred where they say, and never degenerate."""

import copy

import numpy as np
import pytest
import shapely
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


@pytest.fixture
def many():
    """Seven anchors of shape (2, 3) within 0.01 of a plane, but for one."""
    rng = np.random.default_rng(5)
    plane = np.linalg.qr(rng.normal(size=(6, 2)))[0]
    points = rng.normal(size=(7, 2)) @ plane.T + 0.01 * rng.normal(size=(7, 6)) + 3
    return points.reshape(7, 2, 3)


def test_the_plane_through_more_anchors_is_the_nearest_one(many):
    """No small turn or shift of the plane comes nearer; the residual is the largest distance."""
    domain = sg.Slice.through(*many)
    flat, rng = many.reshape(7, -1), np.random.default_rng(0)
    distance = domain.distance(many)
    assert domain.residual == pytest.approx(distance.max())
    assert f"residual={domain.residual:.3g}" in repr(domain)
    singular = np.linalg.svd(flat - flat.mean(axis=0))[1]
    assert (distance**2).sum() == pytest.approx((singular[2:] ** 2).sum())
    for _ in range(50):
        basis = np.linalg.qr(domain.basis + 1e-3 * rng.normal(size=(6, 2)))[0]
        origin = domain.origin + 1e-3 * rng.normal(size=6)
        other = sg.Slice(origin, basis, domain.window, (2, 3))
        assert (other.distance(many) ** 2).sum() > (distance**2).sum()


def test_more_anchors_in_one_plane_give_that_of_three(anchors):
    a, b, c = anchors
    three, four = sg.Slice.through(a, b, c), sg.Slice.through(a, b, c, a + b - c)
    assert three.residual == 0
    assert four.residual < 1e-12
    np.testing.assert_allclose(four.basis, three.basis, atol=1e-12)
    assert (np.abs(four.project([a, b, c])) <= four.window.max() + 1e-12).all()


def test_the_first_anchors_orient_the_plane(many):
    u = sg.Slice.through(*many).project(many)
    assert u[1, 0] > u[0, 0]
    assert u[1, 1] == pytest.approx(u[0, 1])
    assert u[2, 1] > u[0, 1]


def test_margin_is_a_fourth_number_or_a_name_and_anchors_may_have_names(anchors):
    expected = sg.Slice.through(*anchors, margin=0.5)
    assert sg.Slice.through(*anchors, 0.5) == expected
    assert sg.Slice.through(*anchors, torch.tensor(0.5)) == expected
    assert sg.Slice.through(a=anchors[0], b=anchors[1], c=anchors[2], margin=0.5) == expected
    assert sg.Slice.through(anchors[0], b=anchors[1], c=anchors[2], margin=0.5) == expected
    assert sg.Slice.through(*anchors) != expected


@pytest.mark.parametrize("margin", [-2, -1.0, np.nan, np.inf])
def test_a_margin_without_a_window_is_refused(anchors, margin):
    with pytest.raises(sg.InvalidInputError, match="margin"):
        sg.Slice.through(*anchors, margin=margin)


def test_axis_aligned_has_the_coordinates_of_the_input():
    x = np.arange(12.0).reshape(3, 4)
    domain = sg.Slice.axis_aligned(x, (1, 2), 3, half_width=(2, 0.5))
    assert domain.project(x).tolist() == [[6, 3]]
    assert domain.window.tolist() == [[4, 2.5], [8, 2.5], [8, 3.5], [4, 3.5]]
    moved = x.copy()
    moved[1, 2], moved[0, 3] = 5.25, 3.5
    assert np.array_equal(domain.embed([[5.25, 3.5]])[0], moved)
    assert domain == sg.Slice.axis_aligned(torch.from_numpy(x), 6, -9, range_i=(4, 8), range_j=(2.5, 3.5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"i": 0, "j": 0, "half_width": 1}, "two coordinates"),
        ({"i": 0, "j": -3, "half_width": 1}, "two coordinates"),
        ({"i": 0, "j": 3, "half_width": 1}, "no coordinate"),
        ({"i": 0.5, "j": 1, "half_width": 1}, "no coordinate"),
        ({"i": 0, "j": (1, 0), "half_width": 1}, "no coordinate"),
        ({"i": 0, "j": 1}, "either half_width or both"),
        ({"i": 0, "j": 1, "half_width": 1, "range_i": (0, 1)}, "either half_width or both"),
        ({"i": 0, "j": 1, "range_i": (0, 1)}, "either half_width or both"),
        ({"i": 0, "j": 1, "range_i": (0, 1), "range_j": 3}, "range_j"),
    ],
)
def test_what_is_no_pair_of_coordinates_is_refused(arguments, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.Slice.axis_aligned([1.0, 2.0, 3.0], **arguments)


@pytest.fixture
def hexagon():
    angle = np.arange(6) * np.pi / 3 + 0.1
    window = np.stack([3 * np.cos(angle) + 7, np.sin(angle) - 2], axis=1)
    return sg.Slice(np.arange(4.0), np.linalg.qr(np.random.default_rng(2).normal(size=(4, 2)))[0], window, (4,))


def area(domain):
    return shapely.Polygon(domain.window).area


def test_zoom_crop_and_rotate_keep_the_plane_and_its_coordinates(hexagon):
    for other in (hexagon.zoom(3), hexagon.crop((6, 8), (-9, 9)), hexagon.rotate(1)):
        assert np.array_equal(other.origin, hexagon.origin)
        assert np.array_equal(other.basis, hexagon.basis)
        assert other != hexagon


def test_zoom(hexagon):
    assert area(hexagon.zoom(4)) == pytest.approx(area(hexagon) / 16)
    np.testing.assert_allclose(hexagon.zoom(4).zoom(0.25).window, hexagon.window, rtol=1e-12)
    there = shapely.Polygon(hexagon.zoom(2, centre=(1, 2)).window).centroid
    np.testing.assert_allclose((there.x, there.y), (1, 2), atol=1e-12)
    assert sg.Slice.box((0, 8), (0, 4)).zoom(2).window.tolist() == [[2, 1], [6, 1], [6, 3], [2, 3]]


def test_crop_is_the_intersection_with_a_rectangle(hexagon):
    found = hexagon.crop((6.5, 9), (-2.25, 5))
    expected = shapely.Polygon(hexagon.window).intersection(shapely.box(6.5, -2.25, 9, 5))
    assert shapely.Polygon(found.window).symmetric_difference(expected).area < 1e-12
    assert found.window[:, 1].min() == -2.25
    assert hexagon.crop((-99, 99), (-99, 99)) == hexagon


def test_rotate_turns_about_the_middle(hexagon):
    np.testing.assert_allclose(hexagon.rotate(2.0).rotate(-2.0).window, hexagon.window, rtol=1e-12)
    square = sg.Slice.box((1, 3), (4, 6))
    assert shapely.Polygon(square.rotate(np.pi / 2).window).symmetric_difference(shapely.box(1, 4, 3, 6)).area < 1e-12
    np.testing.assert_allclose(square.rotate(np.pi / 6).window[0], (2 - 0.3660254, 5 - 1.3660254), atol=1e-6)
    assert area(hexagon.rotate(0.3)) == pytest.approx(area(hexagon))


@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.zoom(0),
        lambda d: d.zoom(-1),
        lambda d: d.zoom("2"),
        lambda d: d.zoom(2, centre=3),
        lambda d: d.rotate(np.nan),
        lambda d: d.crop(1, (0, 1)),
        lambda d: d.crop((50, 60), (0, 1)),
    ],
)
def test_a_window_that_is_none_is_refused(hexagon, make):
    with pytest.raises(ValueError, match=r"factor|centre|angle|u must|nothing") as caught:
        make(hexagon)
    assert isinstance(caught.value, sg.SplineGeoError)


def test_equal_slices_compare_and_travel(hexagon):
    domain = sg.Slice.through(*np.random.default_rng(0).normal(size=(5, 4)))
    again = copy.copy(domain)
    assert (again == domain) is True
    assert again.residual == domain.residual > 0
    assert len({domain, again, hexagon}) == 2
    assert domain != "a slice"
