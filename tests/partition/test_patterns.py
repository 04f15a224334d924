"""Activation patterns and slopes in input space, against the module itself."""

import numpy as np
import pytest
import torch
from splinegeo.validation import mlp
from torch import nn

import splinegeo as sg


def hooked(model, x):
    """What enters every nonlinearity."""
    seen = []
    hooks = [
        m.register_forward_pre_hook(lambda _m, a: seen.append(a[0])) for m in model if not isinstance(m, nn.Linear)
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return seen


def test_the_pattern_is_the_sign_of_every_unit():
    model = mlp(5, 20, 20, 3).double()
    part = sg.compute_partition(model, sg.Slice.around(np.zeros(5), 3.0))
    entering = hooked(model, part.domain.embed(part.centroids))
    for region in range(0, part.n_regions, 29):
        for layer, name in enumerate(part.layer_names):
            expected = (entering[layer][region] > 0).numpy()
            assert np.array_equal(part.activation_pattern(region, layer), expected)
            assert np.array_equal(part.activation_pattern(region, name), expected)


def test_neighbours_differ_in_the_unit_between_them():
    part = sg.compute_partition(mlp(2, 12, 12, 3), sg.Slice.box((-2, 2), (-2, 2)))
    for edge in part.inner_edges[::5]:
        left, right = part.edge_regions[edge]
        patterns = [[part.activation_pattern(r, layer) for layer in (0, 1)] for r in (left, right)]
        differing = [np.flatnonzero(a != b).tolist() for a, b in zip(*patterns, strict=True)]
        assert differing[: part.edge_layer[edge]] == [[]] * part.edge_layer[edge]
        assert differing[part.edge_layer[edge]] == [part.edge_unit[edge]]


def test_pieces_of_units_with_two_levels_and_of_a_maximum():
    model = nn.Sequential(
        nn.Linear(2, 9), nn.Hardtanh(-1, 0.5), nn.Unflatten(1, (1, 3, 3)), nn.MaxPool2d(2, 1)
    ).double()
    part = sg.compute_partition(model, sg.Slice.box((-3, 3), (-3, 3)))
    assert part.unit_shapes == ((9,), (1, 2, 2))
    entering = hooked(model[:1], part.domain.embed(part.centroids)) or [model[0](part.domain.embed(part.centroids))]
    z = entering[0].detach().numpy()
    for region in range(0, part.n_regions, 11):
        expected = (z[region] > -1) + 2 * (z[region] > 0.5)
        assert np.array_equal(part.activation_pattern(region, 0), expected)
        winner = part.activation_pattern(region, 1)
        image = np.clip(z[region], -1, 0.5).reshape(3, 3)
        for row, column in np.ndindex(2, 2):
            some = image[row : row + 2, column : column + 2].reshape(-1)
            assert some[winner[0, row, column]] == some.max()


def test_a_unit_that_is_zero_everywhere_is_off_whatever_its_rounding():
    class Cancels(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 40).double()

        def forward(self, x):
            h = self.inner(x)
            return torch.relu(h.sum(1, keepdim=True) - h.flip(1).sum(1, keepdim=True)) + h

    part = sg.compute_partition(Cancels(), sg.Slice.around(np.ones(3), 1.0))
    assert part.activation_pattern(0, 0).tolist() == [0]


@pytest.mark.parametrize("widths", [(6, 15, 3), (3, 15, 8)], ids=["backward", "forward"])
def test_the_norm_in_input_space_is_that_of_the_jacobian(widths):
    model = mlp(*widths).double()
    part = sg.compute_partition(model, sg.Slice.around(np.zeros(widths[0]), 2.0))
    x = part.domain.embed(part.centroids)
    jacobian = torch.stack([torch.autograd.functional.jacobian(model, point[None])[0, :, 0] for point in x])
    expected = torch.linalg.matrix_norm(jacobian).numpy()
    np.testing.assert_allclose(part.input_slope_norm(), expected, rtol=1e-10)
    assert (part.slope_norm() <= part.input_slope_norm() * (1 + 1e-12)).all()


def test_on_the_whole_plane_both_norms_are_one():
    part = sg.compute_partition(mlp(2, 12, 12, 3), sg.Slice.box((-2, 2), (-2, 2)))
    np.testing.assert_allclose(part.input_slope_norm(), part.slope_norm(), rtol=1e-9)


def test_a_loaded_partition_says_that_it_has_no_network(tmp_path):
    part = sg.compute_partition(mlp(2, 4, 1), sg.Slice.box((-2, 2), (-2, 2)))
    part.save(tmp_path / "p.npz")
    loaded = sg.Partition.load(tmp_path / "p.npz")
    for question in (
        lambda: loaded.activation_pattern(0, 0),
        loaded.input_slope_norm,
        lambda: sg.unit_activity(loaded),
        lambda: sg.pattern_churn(part, loaded),
    ):
        with pytest.raises(sg.InvalidInputError, match="loaded without its network"):
            question()


def test_what_does_not_exist_is_refused():
    part = sg.compute_partition(mlp(2, 4, 1), sg.Slice.box((-2, 2), (-2, 2)))
    for layer in (1, -2, "nothing", 0.5):
        with pytest.raises(sg.InvalidInputError, match="none of the nonlinearities"):
            part.activation_pattern(0, layer)
    with pytest.raises(IndexError, match="region 99"):
        part.activation_pattern(99, 0)
    with pytest.raises(sg.InvalidInputError, match="linear region may have"):
        sg.linear_regions(part).activation_pattern(0, 0)
