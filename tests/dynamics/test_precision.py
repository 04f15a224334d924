"""Rounding of the cross-entropy's gradient, where it is known by hand, and the norms beside it."""

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg


def gaps(*leads, dtype=torch.float32):
    """Logits of three classes: the right one, 1, leads the others by so much."""
    z = torch.zeros(len(leads), 3, dtype=dtype)
    z[:, 1] = torch.tensor(leads, dtype=dtype)
    return z, torch.ones(len(leads), dtype=torch.int64)


def test_the_own_gradient_vanishes_where_the_lead_exceeds_the_format():
    z, y = gaps(1.0, 10.0, 16.0, 18.0, 30.0, 60.0)
    assert sg.precision_diagnostics(z, y).vanished == pytest.approx(3 / 6)
    assert sg.precision_diagnostics(z.double(), y).vanished == pytest.approx(1 / 6)


def test_where_it_vanishes_a_third_of_the_gradient_is_lost_and_the_sum_is_not_zero():
    """Of two other classes with probability p the gradient is (p, −2p, p): of 6p² in all, 4p² are missing."""
    found = sg.precision_diagnostics(*gaps(25.0))
    assert found.relative_error == pytest.approx((4 / 6) ** 0.5, rel=1e-5)
    assert found.residual == pytest.approx(1.0)
    sound = sg.precision_diagnostics(*gaps(2.0, 3.0))
    assert sound.relative_error < 1e-6
    assert sound.residual < 1e-6
    assert sound.warning is None
    assert "gradient of the right class is exactly 0 at 100% of the points" in found.warning


def test_quantiles_are_those_of_the_leads():
    found = sg.precision_diagnostics(*gaps(-1.0, 0.0, 1.0, 2.0, 3.0))
    assert found.gap_quantiles[::2] == (-1, 1, 3)


def test_norms_and_second_moments():
    model = nn.Linear(2, 3)
    features = torch.tensor([[3.0, 4.0], [3.0, 4.0], [-3.0, 4.0]])
    labels = torch.tensor([0, 0, 1])
    optimizer = torch.optim.Adam([{"params": [model.weight]}, {"params": [model.bias], "eps": 0.5}])
    model(features)[:, 0].sum().backward()  # weight gradient (3, 12) in row 0, bias gradient 3
    optimizer.step()
    found = sg.precision_diagnostics(model(features), labels, model=model, optimizer=optimizer, features=features)
    norm = torch.cat([p.detach().flatten() for p in model.parameters()]).norm().item()
    assert found.weight_norm == pytest.approx(norm)
    assert found.mean_norm == pytest.approx(17**0.5)
    assert found.class_mean_norm == pytest.approx(5.0)
    assert found.below_eps == pytest.approx((4 + 2) / 9)  # all that had no gradient: two rows of two, two biases
    assert set(found.numbers()) >= {"vanished", "below_eps", "gap_median", "weight_norm"}
    bare = sg.precision_diagnostics(model(features), labels, optimizer=torch.optim.SGD(model.parameters(), lr=1))
    assert np.isnan([bare.below_eps, bare.weight_norm, bare.mean_norm]).all()
    assert "below_eps" not in bare.numbers()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": torch.zeros(4, 1)}, "C >= 2"),
        ({"logits": torch.zeros(4, 3, dtype=torch.int64)}, "floating-point"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "4 integers from 0 to 2"),
        ({"labels": torch.full((4,), 3)}, "4 integers from 0 to 2"),
        ({"features": torch.zeros(3, 2)}, "3 features for 4 labels"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.precision_diagnostics(**{"logits": torch.zeros(4, 3), "labels": torch.zeros(4, dtype=torch.int64), **change})
