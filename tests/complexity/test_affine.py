"""The table of affine operators: value, linear and absolute parts, against the operator and its Jacobian."""

import pytest
import torch
from torch import nn

from splinegeo.complexity.polytope import CrossPolytope

CASES = {
    "linear": (nn.Linear(6, 4), (6,)),
    "linear without bias": (nn.Linear(6, 4, bias=False), (6,)),
    "tokens": (nn.Linear(3, 4), (5, 3)),
    "convolution": (nn.Conv2d(2, 3, 3, padding=1, stride=2, groups=1), (2, 5, 5)),
    "grouped convolution": (nn.Conv2d(4, 4, 3, groups=2, bias=False), (4, 5, 5)),
    "transposed convolution": (nn.ConvTranspose2d(2, 3, 3, stride=2), (2, 4, 4)),
    "one-dimensional convolution": (nn.Conv1d(2, 3, 3), (2, 6)),
    "batch norm": (nn.BatchNorm2d(3), (3, 4, 4)),
    "batch norm without weights": (nn.BatchNorm1d(6, affine=False), (6,)),
    "flatten": (nn.Flatten(), (2, 3)),
    "average pooling": (nn.AvgPool2d(2), (2, 4, 4)),
    "global pooling": (nn.AdaptiveAvgPool2d(1), (2, 4, 4)),
    "padding": (nn.ZeroPad2d(1), (2, 3, 3)),
}
FUNCTIONS = {
    "normalisation": (lambda x: (x - 0.3) / 0.7, (6,)),
    "by channel": (lambda x: (x - torch.arange(3.0).double().view(3, 1, 1)) * 2, (3, 2, 2)),
    "reversed": (lambda x: 1 - x, (6,)),
    "negative": (lambda x: -x, (6,)),
    "means": (lambda x: x.mean(dim=(-2, -1)), (3, 2, 2)),
    "sums": (lambda x: x.sum(-1), (3, 2)),
    "permutation": (lambda x: x.permute(0, 2, 3, 1).transpose(1, 2), (3, 2, 4)),
}


def polytopes(shape, n=4, dim=2):
    generator = torch.Generator().manual_seed(0)
    centre = torch.randn(n, 1, *shape, generator=generator, dtype=torch.float64)
    basis = torch.randn(n, dim, 1, *shape, generator=generator, dtype=torch.float64)
    mix = torch.randn(n, dim, dim, generator=generator, dtype=torch.float64)
    return CrossPolytope(centre, basis, mix)


def check(function, shape):
    start = polytopes(shape)
    with torch.no_grad():
        image = function(start)
        expected = function(start.vertices())
    assert isinstance(image, CrossPolytope)
    assert image.is_bounded
    assert image.shape == expected.shape
    assert torch.allclose(image.vertices(), expected, atol=1e-12)
    values = expected.reshape(4, 4, -1)
    low, high, error = image.extremes()
    for ours, theirs in zip((low, high), (values.amin(1), values.amax(1)), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)
    assert (error < 1e-12).all()


@pytest.mark.parametrize("case", CASES)
def test_affine_modules_keep_polytopes(case):
    torch.manual_seed(0)
    module, shape = CASES[case]
    module = module.double().eval()
    for name, buffer in module.named_buffers():
        if name.startswith("running"):
            buffer.uniform_(0.5, 2)
    check(module, shape)


@pytest.mark.parametrize("case", FUNCTIONS)
def test_affine_functions_keep_polytopes(case):
    check(*FUNCTIONS[case])


@pytest.mark.parametrize(
    "function",
    [
        torch.relu,
        lambda x: x * x,
        lambda x: x + x.flip(1),
        lambda x: torch.cat([x, 2 * x], 1),
        lambda x: torch.add(x, 1.0, alpha=2),
        lambda x: x.softmax(1),
        lambda x: x[:, 1:],
        lambda x: x.T,
        lambda x: x.view(-1),
        lambda x: torch.nn.functional.pad(x, (1, 1), value=3.0),
    ],
)
def test_everything_else_sees_the_vertices(function):
    start = polytopes((6,))
    image = function(start)
    expected = function(start.vertices())
    image = image.vertices() if isinstance(image, CrossPolytope) else image
    assert torch.allclose(image, expected)


def test_in_place_operators_change_the_polytope_or_write_its_vertices_out():
    start = polytopes((6,))
    expected = start.vertices().relu()
    out = start.relu_()
    assert out is start
    assert start.is_bounded
    assert torch.allclose(start.vertices(), expected, atol=1e-12)
    assert torch.allclose(start.extremes()[1], expected.view(4, 4, 6).amax(1), atol=1e-12)
    start.square_()
    assert not start.is_bounded
    assert torch.equal(start + 1, start.vertices() + 1)
    assert torch.allclose(start.vertices(), expected**2, atol=1e-12)
