"""The tables of operators: events vanish where functions break, candidates of pools are PyTorch's, and magnitudes."""

import pytest
import torch
import torch.nn.functional as F

from splinegeo.network.lowering import comparators, ordered
from splinegeo.network.magnitudes import magnitude
from splinegeo.network.maxima import MAXIMA, n_rounds, round_events, winners
from splinegeo.network.operators import REWRITTEN, events, is_affine, is_piecewise_affine, spoiler
from splinegeo.network.precision import InDouble
from splinegeo.network.splines import ACTIVATIONS

DOUBLE = torch.float64
ELEMENTWISE = {
    "relu": (F.relu, ()),
    "leaky_relu": (F.leaky_relu, (0.1,)),
    "abs": (torch.abs, ()),
    "relu6": (F.relu6, ()),
    "hardsigmoid": (REWRITTEN["hardsigmoid"], ()),
    "rrelu": (REWRITTEN["rrelu"], ()),
    "hardtanh": (F.hardtanh, (-0.5, 2.0)),
    "clamp": (torch.clamp, (-1.0, 0.5)),
    "clamp_min": (torch.clamp_min, (0.75,)),
    "clamp_max": (torch.clamp_max, (0.75,)),
    "threshold": (F.threshold, (0.5, 0.5)),
    "softshrink": (F.softshrink, (0.25,)),
    "maximum": (torch.maximum, (torch.tensor(0.3, dtype=DOUBLE),)),
    "minimum": (torch.minimum, (torch.tensor(-0.3, dtype=DOUBLE),)),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_functions_are_affine_exactly_between_the_zeros_of_their_events(name):
    function, options = ELEMENTWISE[name]
    x = torch.linspace(-8, 8, 3201, dtype=DOUBLE)[:, None] + 1 / 777  # no break on the grid
    signs = events(name, torch.sub, (x, *options), {}).sign()
    bends = function(x, *options).diff(dim=0).diff(dim=0)[:, 0].abs() > 1e-9
    assert bends.any()
    assert torch.equal(bends, (signs[:-2] != signs[2:]).any(dim=1))


# One call of PyTorch's own kernel for each row of the table.
KERNELS = {
    **{name: (function, options) for name, (function, options) in ELEMENTWISE.items() if name in ACTIVATIONS},
    "hardsigmoid": (F.hardsigmoid, ()),
    "rrelu": (F.rrelu, (0.2, 0.4)),
    "rrelu_with_noise": (lambda x, noise, low, high: F.rrelu(x, low, high), (None, 0.2, 0.4)),
    "_prelu_kernel": (lambda x, slope: torch.where(x > 0, x, slope * x), (torch.tensor([0.3], dtype=DOUBLE),)),
    "prelu": (F.prelu, (torch.tensor([-0.3], dtype=DOUBLE),)),
    "clip": (torch.clip, (None, 0.75)),
    "clamp": (torch.clamp, (torch.tensor([0.5], dtype=DOUBLE), torch.tensor([-0.25], dtype=DOUBLE))),
    "hardshrink": (F.hardshrink, (0.75,)),
    "sign": (torch.sign, ()),
    "threshold": (F.threshold, (0.5, -0.25)),
    "elu": (F.elu, (1.5,)),
    "celu": (F.celu, (0.5,)),
    "gelu": (F.gelu, ()),
    "silu": (F.silu, ()),
    "mish": (F.mish, ()),
    "softplus": (F.softplus, ()),
    "sigmoid": (torch.sigmoid, ()),
    "log_sigmoid": (F.logsigmoid, ()),
    "log_sigmoid_forward": (F.logsigmoid, ()),
    "hardswish": (F.hardswish, ()),
    "tanh": (torch.tanh, ()),
    "erf": (torch.erf, ()),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_row_is_pytorchs_own_function(name):
    function, options = KERNELS[name]
    row, x = ACTIVATIONS[name], torch.linspace(-8, 8, 3201, dtype=DOUBLE)[:, None] + 1 / 777
    values = function(x, *options)
    slopes = (values.diff(dim=0) / x.diff(dim=0)).abs()
    if row.is_smooth:
        assert (slopes <= row.stretch(*options) + 1e-9).all()
        assert (values.diff(n=2, dim=0).abs() > 1e-9).sum() > 200
        return
    spline = row.spline(*options)
    torch.testing.assert_close(spline(x), values, rtol=1e-14, atol=1e-14)
    if spline.jump is None:
        assert (slopes <= row.stretch(*options) + 1e-9).all()
    else:
        level, before, after = spline.jump
        around = function(torch.tensor([[level - 1e-9], [level + 1e-9]], dtype=DOUBLE), *options)
        torch.testing.assert_close(around[:, 0], torch.tensor([before, after], dtype=DOUBLE), rtol=0, atol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13])
def test_comparators_sort(n):
    x = torch.randn(50, n).mul(2).round()  # with ties
    expected = x.sort(1)[0]
    torch.testing.assert_close(torch.stack(ordered(x, 1, list(range(n))), 1), expected)
    for rank in range(n):
        torch.testing.assert_close(ordered(x, -1, [rank])[0], expected[:, rank])
    assert len(list(comparators(n))) <= n * (n - 1) // 2


@pytest.mark.parametrize("name", ["hardsigmoid", "rrelu"])
def test_rewritten_operators_are_pytorchs(name):
    x = torch.linspace(-5, 5, 201, dtype=DOUBLE)
    torch.testing.assert_close(REWRITTEN[name](x), getattr(F, name)(x), rtol=1e-15, atol=1e-15)
    place = torch.zeros(3, 2)
    assert torch.equal(REWRITTEN["copy"](place, torch.ones(2)), torch.ones(3, 2))


def pools():
    for dims, size in ((1, (11,)), (2, (7, 6)), (3, (5, 4, 6))):
        for kernel in (1, 2, 3):
            for stride in (None, 1, 2):
                for padding in {0, kernel // 2}:
                    for dilation in (1, 2):
                        for ceil_mode in (False, True):
                            if dilation * (kernel - 1) < min(size) + 2 * padding:
                                yield dims, size, (kernel, stride, padding, dilation, ceil_mode)


def test_candidates_of_pools_have_pytorchs_maxima():
    torch.manual_seed(0)
    for dims, size, (kernel, stride, padding, dilation, ceil_mode) in pools():
        x = torch.randn(2, 3, *size)
        options = (kernel, () if stride is None else stride, padding, dilation, ceil_mode)
        pooled = getattr(F, f"max_pool{dims}d")(x, kernel, stride, padding, dilation, ceil_mode)
        candidates = MAXIMA[f"max_pool{dims}d_with_indices"](x, *options)
        assert torch.equal(candidates.amax(2), pooled.reshape(2, -1)), options


@pytest.mark.parametrize("n_out", [1, 2, 3, 5, 7])
def test_candidates_of_adaptive_pools_have_pytorchs_maxima(n_out):
    torch.manual_seed(0)
    for dims, size in ((1, (9,)), (2, (7, 5)), (3, (4, 5, 6))):
        x = torch.randn(2, 2, *size)
        pooled = getattr(F, f"adaptive_max_pool{dims}d")(x, n_out)
        candidates = MAXIMA[f"adaptive_max_pool{dims}d"](x, [n_out] * dims)
        assert torch.equal(candidates.amax(2), pooled.reshape(2, -1))


@pytest.mark.parametrize("dim", [1, -1, (1, 3), (-1, -2), (3, 1, 2), ()])
def test_candidates_over_dimensions(dim):
    x = torch.randn(4, 2, 3, 5)
    every = (1, 2, 3) if dim == () else dim
    assert torch.equal(MAXIMA["amax"](x, dim).amax(2), x.amax(every).reshape(4, -1))
    assert torch.equal(-MAXIMA["amin"](x, dim).amax(2), x.amin(every).reshape(4, -1))


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 8, 9, 16, 17])
def test_a_tournament_of_k_takes_its_rounds_and_decides_the_winner(k):
    candidates = torch.randn(6, 2, k, dtype=DOUBLE)
    rounds = n_rounds(candidates)
    assert 2 ** (rounds - 1) < max(k, 2) <= 2**rounds
    decided = round_events(candidates, rounds - 1).reshape(6, 2, -1)
    assert decided.shape[2] == 1
    assert torch.equal(winners(candidates, torch.zeros(2)), candidates.argmax(2))


def test_winners_within_the_tolerance_are_the_first():
    candidates = torch.tensor([[[0.0, 1.0, 1.0 + 1e-13, 0.5]]], dtype=DOUBLE)
    assert winners(candidates, torch.tensor([1e-12], dtype=DOUBLE)).item() == 1
    assert winners(candidates, torch.tensor([1e-14], dtype=DOUBLE)).item() == 2


@pytest.mark.parametrize(
    ("operator", "args"),
    [
        ("add", (-3,)),
        ("sub", (3,)),
        ("sub", (-3.5,)),
        ("mul", (-2,)),
        ("div", (-0.5,)),
        ("rsub", (-1,)),
        ("masked_fill", (torch.tensor([True, False, True]), -7)),
    ],
)
def test_magnitudes_bound_the_values_and_are_not_negative(operator, args):
    """A negative integer in the code once made a magnitude negative, and its tolerance nothing."""
    x = torch.randn(1, 3, dtype=DOUBLE)
    target = getattr(torch.Tensor, operator, None) or torch.rsub
    found = magnitude(operator, target, (x.abs(), *args), {})
    assert (found >= target(x, *args).abs() - 1e-15).all()
    assert (found >= target(-x, *args).abs() - 1e-15).all()


def test_products_are_affine_in_one_operand_only():
    assert is_affine("mul", [True, False])
    assert is_affine("mul", [False, True])
    assert not is_affine("mul", [True, True])
    assert is_affine("addmm", [True, True, False])
    assert not is_affine("addmm", [False, True, True])
    assert not is_affine("div", [False, True])
    assert not is_affine("where", [True, False, False])
    assert is_piecewise_affine("prelu", [True, False])
    assert not is_piecewise_affine("prelu", [True, True])
    assert not is_piecewise_affine("softmax", [True])


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("div", {"rounding_mode": "trunc"}, "jumps"),
        ("threshold", {"self": None, "threshold": 0.0, "value": 1.0}, "jumps from 1.0 to 0.0"),
        ("hardshrink", {"self": None, "lambd": 0.5}, "jumps from -0.5 to 0.0"),
        ("native_dropout", {"p": 0.5, "train": True}, "random"),
        ("dropout", {"p": 0.5, "train": True}, "random"),
        ("rrelu", {"training": True}, "random"),
        ("batch_norm", {"training": True}, "mixes"),
    ],
)
def test_arguments_that_spoil_an_operator(name, arguments, reason):
    assert reason in spoiler(name, arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("div", {}),
        ("threshold", {"self": None, "threshold": 0.5, "value": 0.5}),
        ("dropout", {"p": 0.5, "train": False}),
        ("native_dropout", {"p": 0.0, "train": True}),
        ("rrelu", {}),
        ("batch_norm", {"training": False}),
    ],
)
def test_arguments_that_spoil_nothing(name, arguments):
    assert spoiler(name, arguments) is None


def test_code_in_double_keeps_written_numbers_and_never_rounds():
    third = torch.full((2,), 1 / 3, dtype=DOUBLE)
    with InDouble():
        assert torch.ones(2, 2, dtype=torch.float32).dtype is DOUBLE
        assert torch.equal(third.float(), third)
        assert torch.equal(third.to(torch.bfloat16), third)
        assert torch.equal(third.type(torch.float32), third)
        assert torch.tensor([1, 2]).dtype is torch.int64
        assert torch.zeros(2, dtype=torch.bool).dtype is torch.bool
        written, exact = torch.tensor(0.1), torch.tensor(0.1, dtype=DOUBLE)
        assert torch.as_tensor(third, dtype=torch.float32) is not None
    assert written.item() == torch.tensor(0.1, dtype=torch.float32).double().item()
    assert exact.item() == 0.1
    assert torch.ones(1).dtype is torch.float32
