"""The table is true: every core operator of PyTorch is what it says, and every one that it lists can be captured."""

import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.network.lowering import LOWERED
from splinegeo.network.operators import is_affine, is_piecewise_affine
from splinegeo.network.table import CREATES, JUMPING, SHAPED
from splinegeo.network.table import CURVED as CURVED_NAMES

from . import core_aten as core

EXAMPLES = {**core.AFFINE, **core.MIXING, **core.PIECEWISE, **core.CURVED, **core.JUMPS}
N_STEPS = 500


class Called(nn.Module):
    """A linear layer, and one operator."""

    def __init__(self, call):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.call = nn.Linear(2, 12), call

    def forward(self, x):
        return self.call(self.first(x)).flatten(1)


def along_a_line(name):
    """Values (n, m) of an operator at equal steps along a line, and how large they are."""
    generator = torch.Generator().manual_seed(1)
    start, end = (3 * torch.rand(12, generator=generator, dtype=torch.float64) - 1.5 for _ in range(2))
    values = [EXAMPLES[name](torch.lerp(start, end, k / N_STEPS)[None]) for k in range(N_STEPS + 1)]
    flat = torch.stack([value.double().flatten() for value in values])
    return flat, flat.nan_to_num().abs().max()


def bent(name):
    """(n,) where the second difference of some value is not rounding, and (n,) the largest steps."""
    values, size = along_a_line(name)
    second = values.diff(n=2, dim=0).abs().amax(dim=1)
    return second > 1e-11 * size, values.diff(dim=0).abs().amax(dim=1) / size


def test_every_core_operator_is_listed_once():
    listed = [*EXAMPLES, *core.NO_FUNCTION]
    assert len(set(listed)) == len(listed)
    assert core.core_operators() <= set(listed)


@pytest.mark.parametrize("name", [*core.AFFINE, *core.MIXING])
def test_affine_operators_are_affine(name):
    is_bent, _ = bent(name)
    assert not is_bent.any()
    base = name.split(".")[0]
    assert is_affine(base, [True, False, False]) or is_affine(base, [False, True, False]) or base in {*SHAPED, *LOWERED}


@pytest.mark.parametrize("name", core.PIECEWISE)
def test_piecewise_affine_operators_have_kinks_and_no_jumps(name):
    is_bent, steps = bent(name)
    assert 0 < is_bent.sum() < 0.2 * len(is_bent)
    assert steps.max() < 0.05
    base = name.split(".")[0]
    assert any(is_piecewise_affine(n, [True, False]) for n in (base, f"{base}.dim")) or base in LOWERED


@pytest.mark.parametrize("name", core.CURVED)
def test_curved_operators_are_curved_between_kinks(name):
    is_bent, _ = bent(name)
    assert (is_bent[:-2] & is_bent[1:-1] & is_bent[2:]).any()
    base = name.split(".")[0]
    assert base in CURVED_NAMES
    assert not is_piecewise_affine(base, [True, True])


@pytest.mark.parametrize("name", core.JUMPS)
def test_jumping_operators_jump(name):
    """A step of a finer and finer line stays what it is, where a kink's or a curve's would vanish."""
    _, steps = bent(name)
    assert steps.max() > 0.1
    base = name.split(".")[0]
    assert base in JUMPING or not is_piecewise_affine(base, [True, True]) or base in ("div", "sign")


def captured(call):
    network = sg.capture(Called(call).eval(), (2,))
    x = torch.randn(5, 2, dtype=torch.float64)
    model = Called(call).eval().double()
    torch.testing.assert_close(network(x), model(x), rtol=1e-9, atol=1e-9)
    return network


def some(names, every):
    """Most of them among the slow tests: each costs an export."""
    return [pytest.param(name, marks=[] if i % every == 0 else pytest.mark.slow) for i, name in enumerate(names)]


@pytest.mark.parametrize("name", some([*core.AFFINE, *core.PIECEWISE], every=4))
def test_networks_of_listed_operators_are_partitioned(name):
    """With their affine maps, which ask for a derivative of every operator."""
    call = EXAMPLES[name]
    # A kink in front of an affine one, so that it is met by live tensors.
    network = captured(lambda h: call(h.relu())) if name in core.AFFINE else captured(call)
    assert network.layer_names
    domain = sg.Slice.box((-0.2, 0.3), (-0.3, 0.2))
    part = sg.compute_partition(network, domain)
    assert part.check(network).ok


@pytest.mark.parametrize("name", some([*core.CURVED, *core.JUMPS], every=8))
def test_all_others_are_refused(name):
    call = EXAMPLES[name]
    with pytest.raises(sg.SplineGeoError) as caught:
        sg.capture(Called(lambda h: call(h).double().expand(h.shape[0], -1)), (2,))
    assert "\n" not in str(caught.value)


def test_what_is_made_of_nothing_is_a_constant():
    assert {"full", "arange", "scalar_tensor"} <= CREATES
    model = Called(lambda h: h.relu() / torch.ones_like(h).sum(1, keepdim=True) + torch.arange(12.0) * h.new_ones(12))
    assert sg.compute_partition(model.eval(), sg.Slice.box((-1, 1), (-1, 1))).check(model).ok
