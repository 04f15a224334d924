"""Losses: each against its formula, and which of them has a finite target."""

import pytest
import torch
from splinegeo.validation.losses import LEAD, LOSSES

Z = torch.tensor([[1.0, 0.0, -0.5], [0.5, 0.0, 2.0]], dtype=torch.float64)
Y = torch.tensor([0, 1])


def test_margin_is_the_cross_entropy_and_keeps_its_gradient_where_that_rounds_to_zero():
    z = torch.randn(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 5
    y = torch.arange(50) % 7
    torch.testing.assert_close(LOSSES["margin"](z, y), LOSSES["cross_entropy"](z, y))
    far = torch.tensor([[25.0, 0.0, 0.0]], requires_grad=True)
    gradient = {}
    for name in ("cross_entropy", "margin"):
        (gradient[name],) = torch.autograd.grad(LOSSES[name](far, torch.tensor([0])), far)
    assert gradient["cross_entropy"][0, 0] == 0 < gradient["cross_entropy"][0, 1]
    assert gradient["margin"][0, 0] < 0
    assert gradient["margin"].sum() == pytest.approx(0, abs=1e-6 * float(gradient["margin"].abs().sum()))


def test_squared_error_is_the_distance_to_the_one_hot_labels():
    found = LOSSES["squared_error"](torch.tensor([[1.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1]))
    assert found == pytest.approx((0.25 + 1) / 4)


def test_squared_hinge_by_hand():
    # leads: 1 and 1.5 for the first point; 0.5 behind and 2 behind for the second
    assert LOSSES["squared_hinge"](Z, Y).item() == pytest.approx((0 + (1.5**2 + 3**2) / 3) / 2)


def test_label_smoothing_by_hand():
    target = torch.full((2, 3), 0.1 / 3, dtype=torch.float64) + 0.9 * torch.nn.functional.one_hot(Y, 3)
    assert LOSSES["label_smoothing"](Z, Y).item() == pytest.approx(-(target * Z.log_softmax(1)).sum(1).mean().item())


def test_clipped_logits_are_no_longer_than_the_bound():
    far = torch.tensor([[30.0, -40.0]], dtype=torch.float64)
    expected = LOSSES["margin"](far / 10, torch.tensor([0]))  # of length 50
    assert LOSSES["clipped_logits"](far, torch.tensor([0])).item() == pytest.approx(expected.item())
    torch.testing.assert_close(LOSSES["clipped_logits"](Z, Y), LOSSES["margin"](Z, Y))


@pytest.mark.parametrize("name", LOSSES)
def test_pull_far_beyond_the_target(name):
    """Squared error and label smoothing pull back, saturated losses do not pull, cross-entropy pulls on."""
    z = torch.tensor([[2 * LEAD, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(LOSSES[name](z, torch.tensor([0])), z)
    pull = -gradient[0, 0].item()
    if name in ("squared_error", "label_smoothing"):
        assert pull < 0
    elif name in ("squared_hinge", "saturating_margin"):
        assert pull == 0
    elif name == "clipped_logits":
        assert abs(pull) < 1e-12  # along the logits' own direction, whose length does not count
    else:
        assert pull > 0
