"""Networks as integers."""

import pytest
import torch
from torch import nn

from splinegeo import InvalidInputError, NonFiniteError
from splinegeo.testing import describe, linear_layer, rational_witness
from splinegeo.testing.layers import AffineLayer, dyadic

SQUARE = [(-1, -1), (1, -1), (1, 1), (-1, 1)]


def test_floats_are_taken_as_the_rationals_they_are():
    integers, exponent = dyadic([0.1, 1e-300, -3.0])
    assert [n / (1 << exponent) for n in integers] == [0.1, 1e-300, -3.0]


def test_affine_layer_leaves_zeros_out():
    assert describe(linear_layer([[0.5, 0.0]], [-1.0])) == [AffineLayer((((0, 1),),), (-2,), 1)]


def test_containers_are_opened_and_identities_dropped():
    nested = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Identity(), nn.Dropout().eval(), nn.ReLU()))
    assert describe(nested) == describe(nn.ReLU())


@pytest.mark.parametrize("module", [nn.GELU(), nn.Conv2d(1, 1, 1), nn.Threshold(0.0, 1.0)])
def test_unknown_modules_are_named(module):
    with pytest.raises(InvalidInputError, match=type(module).__name__):
        describe(nn.Sequential(module))


def test_active_dropout_is_refused():
    with pytest.raises(InvalidInputError, match="Dropout"):
        describe(nn.Sequential(nn.Dropout()))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_must_be_finite(value):
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        describe(linear_layer([[value, 0.0]], [0.0]))


def test_prelu_has_a_slope_per_unit():
    model = nn.Sequential(linear_layer([[1, 0], [0, 1]], [0, 0]), nn.PReLU(2).double())
    model[1].weight.data = torch.tensor([0.5, -1.0], dtype=torch.float64)
    slopes = {tuple(row[:2] for row in r.affine_map) for r in rational_witness(model, SQUARE).regions}
    assert slopes == {((a, 0), (0, b)) for a in (0.5, 1) for b in (-1, 1)}
