"""Local complexity: its laws, its independence of batches and formats, and what it refuses."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from splinegeo.complexity import LocalComplexity, local_complexity, random_frames
from splinegeo.errors import InvalidInputError, NonFiniteError


def mlp(*widths, act=nn.ReLU, seed=0):
    torch.manual_seed(seed)
    layers = []
    for a, b in pairwise(widths[:-1]):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


def points(n, *shape, seed=1):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


def vertices(x, radius, dim, rng=0, shared=False):
    """All 2P vertices, (N, 2P, *shape), in float64, in the obvious way."""
    flat = x.double().flatten(1)
    frames = random_frames(len(x), flat.shape[1], dim, rng=rng, shared=shared)
    both = torch.cat([flat[:, None] + radius * frames, flat[:, None] - radius * frames], 1)
    return both.unflatten(2, x.shape[1:])


def brute_force(model, x, radius, dim, **options):
    """Counts of a sequential model, layer after layer on every vertex, in float64."""
    model, counts = copy.deepcopy(model).double(), []
    z = vertices(x, radius, dim, **options)
    with torch.no_grad():
        for layer in model:
            if not isinstance(layer, nn.Linear):
                counts.append(((z.amax(1) > 0) & (z.amin(1) < 0)).sum(1))
            z = layer(z)
    return torch.stack(counts, 1).numpy()


@pytest.mark.parametrize("act", [nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.ELU, nn.Softplus])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counts_are_those_of_brute_force(act, dtype):
    model, x = mlp(20, 30, 30, 30, 4, act=act).to(dtype), points(70, 20).to(dtype)
    result = local_complexity(model, x, radius=0.2, dim=6)
    assert result.layer_names == ("1", "3", "5")
    assert (result.counts == brute_force(model, x, 0.2, 6)).all()
    assert result.total.sum() > 0


@pytest.mark.parametrize("n_features", [784, 130])
def test_counts_of_wide_inputs_are_those_of_brute_force(n_features):
    model, x = mlp(n_features, 50, 50, 10), points(60, n_features)
    for radius in (0.005, 0.5):
        counts = local_complexity(model, x, radius=radius).counts
        assert (counts == brute_force(model, x, radius, 25)).all()


def test_first_layer_is_the_exact_number_of_hyperplanes_that_meet_the_neighbourhood():
    """max |w·(x + r V c) + b − (w·x + b)| over ‖c‖₁ ≤ 1 is r max_p |w·v_p|."""
    model, x = mlp(12, 200, 3).double(), points(50, 12).double()
    frames, linear = random_frames(50, 12, 5), model[0]
    with torch.no_grad():
        reach = 0.3 * (frames @ linear.weight.T).abs().amax(1)
        expected = (linear(x).abs() < reach).sum(1)
    counts = local_complexity(model, x, radius=0.3, dim=5).counts
    assert (counts[:, 0] == expected.numpy()).all()


@pytest.mark.parametrize(("bias", "radius"), [(0.0, 1.0), (0.5, 0.3), (1.0, 2.0)])
def test_a_pair_of_vertices_is_separated_with_the_probability_of_the_angle(bias, radius):
    """For Gaussian rows (w, b): P(sign w·p + b ≠ sign w·q + b) = arccos(ρ)/π."""
    generator = torch.Generator().manual_seed(3)
    d, units, sw = 6, 40_000, 0.7
    layer = nn.Linear(d, units).double()
    with torch.no_grad():
        layer.weight.copy_(sw * torch.randn(units, d, generator=generator))
        layer.bias.copy_(bias * torch.randn(units, generator=generator))
    x = points(8, d).double()
    counts = local_complexity(nn.Sequential(layer, nn.ReLU()), x, radius=radius, dim=1).counts[:, 0]
    p, q = vertices(x, radius, 1).unbind(1)
    inner = sw**2 * (p * q).sum(1) + bias**2
    norms = ((sw**2 * (p * p).sum(1) + bias**2) * (sw**2 * (q * q).sum(1) + bias**2)).sqrt()
    chance = (torch.arccos(inner / norms) / np.pi).numpy()
    assert (abs(counts / units - chance) < 4 * np.sqrt(chance * (1 - chance) / units)).all()


def test_more_vertices_never_lower_the_count():
    model, x = mlp(40, 60, 60, 3), points(50, 40)
    counts = [local_complexity(model, x, radius=0.3, dim=dim).counts for dim in (1, 2, 5, 10, 25, 40)]
    assert all((fewer <= more).all() for fewer, more in pairwise(counts))


def test_a_larger_radius_never_lowers_the_count_of_the_first_layer():
    model, x = mlp(40, 60, 3), points(50, 40)
    counts = [local_complexity(model, x, radius=r, dim=10).counts[:, 0] for r in (0.01, 0.1, 1.0, 10.0)]
    assert all((fewer <= more).all() for fewer, more in pairwise(counts))


@pytest.mark.parametrize("n_features", [784, 30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counts_do_not_depend_on_the_batch_size(n_features, dtype):
    model, x = mlp(n_features, 80, 80, 80, 3).to(dtype), points(41, n_features).to(dtype)
    whole = local_complexity(model, x, radius=0.3, dim=10)
    for batch_size in (1, 7, 40, 41, 1000):
        assert (local_complexity(model, x, radius=0.3, dim=10, batch_size=batch_size).counts == whole.counts).all()


def test_every_point_counts_also_in_the_last_partial_batch():
    model, x = mlp(10, 100, 3), points(11, 10)
    counts = local_complexity(model, x, radius=5.0, dim=5, batch_size=4).counts
    assert (counts > 0).all()
    assert (counts[:9] == local_complexity(model, x[:9], radius=5.0, dim=5).counts).all()


def test_float32_and_float64_decide_alike():
    """Biases are placed so that a vertex lies on a hyperplane up to float32 rounding, on either side."""
    model, x = mlp(784, 300, 3), points(40, 784)
    with torch.no_grad():
        top = model[0].double()(vertices(x[:1], 0.1, 25)[0]).amax(0)
        model[0].bias -= top * (1 + 1e-9 * torch.randn(300, dtype=torch.float64))
    model.float()
    counts = local_complexity(model, x, radius=0.1).counts
    assert (counts == brute_force(model, x, 0.1, 25)).all()


def test_permuting_and_scaling_units_changes_nothing():
    model, x = mlp(10, 50, 40, 3).double(), points(60, 10).double()
    other, order = copy.deepcopy(model), torch.randperm(50, generator=torch.Generator().manual_seed(0))
    scale = torch.logspace(-3, 3, 50, dtype=torch.float64)[:, None]
    with torch.no_grad():
        other[0].weight.copy_((model[0].weight * scale)[order])
        other[0].bias.copy_((model[0].bias * scale[:, 0])[order])
        other[2].weight.copy_((model[2].weight / scale.T)[:, order])
    a, b = (local_complexity(m, x, radius=0.5, dim=4).counts for m in (model, other))
    assert (a == b).all()


def test_inserting_an_identity_layer_repeats_a_column():
    model, x = mlp(10, 30, 3).double(), points(60, 10).double()
    identity = nn.Linear(30, 30).double()
    with torch.no_grad():
        identity.weight.copy_(torch.eye(30))
        identity.bias.zero_()
    longer = nn.Sequential(*model[:2], identity, nn.ReLU(), model[2])
    counts = local_complexity(longer, x, radius=0.5, dim=4).counts
    assert (counts[:, :1] == local_complexity(model, x, radius=0.5, dim=4).counts).all()
    # After a ReLU nothing is negative, so no unit takes both signs.
    assert (counts[:, 1] == 0).all()


def test_folding_batch_norm_changes_nothing():
    torch.manual_seed(0)
    norm, linear = nn.BatchNorm1d(40).double().eval(), nn.Linear(10, 40).double()
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.normal_()
        norm.bias.normal_()
        folded = nn.Linear(10, 40).double()
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        folded.weight.copy_(linear.weight * scale[:, None])
        folded.bias.copy_((linear.bias - norm.running_mean) * scale + norm.bias)
    x = points(60, 10).double()
    a = local_complexity(nn.Sequential(linear, norm, nn.ReLU()), x, radius=0.5, dim=4).counts
    b = local_complexity(nn.Sequential(folded, nn.ReLU()), x, radius=0.5, dim=4).counts
    assert (a == b).all()
    assert a.sum() > 0


def test_zero_is_no_sign():
    dead = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
    nn.init.zeros_(dead[0].weight)
    nn.init.zeros_(dead[0].bias)
    assert local_complexity(dead, points(4, 3), radius=1.0, dim=3).total.sum() == 0
    touching = nn.Sequential(nn.Linear(1, 1), nn.ReLU()).double()
    with torch.no_grad():
        touching[0].weight.fill_(1.0)
        touching[0].bias.fill_(0.5)
    at_zero = torch.zeros(1, 1, dtype=torch.float64)
    assert local_complexity(touching, at_zero, radius=0.5, dim=1).total.tolist() == [0]
    assert local_complexity(touching, at_zero, radius=0.5000001, dim=1).total.tolist() == [1]


@pytest.mark.parametrize(
    ("act", "knots"),
    [
        (nn.Hardtanh(-0.3, 0.2), (-0.3, 0.2)),
        (nn.ReLU6(), (0.0, 6.0)),
        (nn.Softshrink(0.1), (-0.1, 0.1)),
        (nn.Hardswish(), (-3.0, 3.0)),
        (nn.Threshold(0.25, 0.25), (0.25,)),
    ],
    ids=lambda value: str(value),
)
def test_bends_elsewhere_than_at_zero_count_where_they_are(act, knots):
    model, x = nn.Sequential(mlp(8, 3, 100)[0], nn.Linear(3, 100), act).double(), points(30, 8).double()
    with torch.no_grad():
        model[1].weight *= 5
        z = model[1](model[0](vertices(x, 0.5, 4)))
    low, high = z.amin(1), z.amax(1)
    expected = torch.stack([(low < k) & (high > k) for k in knots]).any(0).sum(1)
    assert (local_complexity(model, x, radius=0.5, dim=4).total == expected.numpy()).all()
    assert expected.sum() > 0


def test_one_frame_can_be_shared():
    model, x = mlp(10, 50, 3), points(30, 10)
    counts = local_complexity(model, x, radius=0.5, dim=4, shared_frame=True).counts
    assert (counts == brute_force(model, x, 0.5, 4, shared=True)).all()


def test_half_precision_models_are_evaluated_in_float32():
    model, x = mlp(20, 50, 50, 3).bfloat16(), points(40, 20)
    counts = local_complexity(model, x, radius=0.05, dim=6).counts
    assert (counts == brute_force(model, x, 0.05, 6)).all()


def test_nothing_of_the_callers_changes():
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2)).eval()
    model[0].train()
    state = copy.deepcopy(model.state_dict())
    modes = [m.training for m in model.modules()]
    x = points(30, 6).requires_grad_()
    random, grad = torch.get_rng_state(), torch.is_grad_enabled()
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    local_complexity(model, x, radius=0.5, dim=3)
    assert all(torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True))
    assert modes == [m.training for m in model.modules()]
    assert hooks == [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    assert all(p.dtype is torch.float32 and p.requires_grad and p.grad is None for p in model.parameters())
    assert torch.equal(random, torch.get_rng_state())
    assert torch.is_grad_enabled() is grad
    assert x.grad is None
    assert torch.backends.mha.get_fastpath_enabled()


def test_results_are_read_only_and_consistent():
    model, x = mlp(10, 50, 50, 3), points(30, 10)
    result = local_complexity(model, x, radius=0.5, dim=4)
    assert isinstance(result, LocalComplexity)
    assert result.counts.dtype == np.int64
    assert (result.radius, result.dim) == (0.5, 4)
    assert (result.total == result.counts.sum(1)).all()
    assert result.mean() == pytest.approx(result.total.mean())
    assert result.mean("1") == pytest.approx(result.counts[:, 0].mean())
    for array in (result.counts, result.total):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        result.radius = 1.0


def test_interval_is_students():
    counts = np.array([[3, 1], [5, 0], [2, 2], [6, 1]])
    result = LocalComplexity(counts, ("a", "b"), 0.1, 2)
    low, high = result.confidence_interval(0.95)
    assert (low + high) / 2 == pytest.approx(result.mean())
    # 3.182446 is the 0.975 quantile of Student's law with three degrees of freedom.
    assert (high - low) / 2 == pytest.approx(3.182446 * np.std([4, 5, 4, 7], ddof=1) / 2)
    wide, narrow = result.confidence_interval(0.99, "a"), result.confidence_interval(0.5, "a")
    assert wide[0] < narrow[0] < 4 < narrow[1] < wide[1]
    alone = LocalComplexity(counts[:1].copy(), ("a", "b"), 0.1, 2)
    assert alone.confidence_interval() == (-np.inf, np.inf)
    for level in (0, 1, 99):
        with pytest.raises(InvalidInputError, match="level"):
            result.confidence_interval(level)
    with pytest.raises(InvalidInputError, match="'a', 'b'"):
        result.mean("c")


def test_numpy_points_and_one_point_will_do():
    model, x = mlp(10, 50, 3), points(1, 10)
    a = local_complexity(model, x.numpy(), radius=0.5, dim=4)
    assert (a.counts == local_complexity(model, x, radius=0.5, dim=4).counts).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius": 0.0}, "radius"),
        ({"radius": float("nan")}, "radius"),
        ({"radius": "1"}, "radius"),
        ({"dim": 11}, "dim=11"),
        ({"dim": 0}, "dim"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"layers": ["nope"]}, r"nope.*'1', '3'"),
        ({"layers": []}, "layers"),
        ({"layers": ["1", "1"]}, "twice"),
        ({"rng": -3}, "rng"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arguments = {"radius": 0.1, "dim": 4, **change}
    with pytest.raises(InvalidInputError, match=message):
        local_complexity(mlp(10, 8, 8, 3), points(5, 10), **arguments)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 10, dtype=torch.int64), "embeddings"),
        (torch.zeros(0, 10), "shape"),
        (torch.zeros(10), "shape"),
        (torch.zeros(4, 11), "does not run on inputs of shape"),
    ],
)
def test_points_that_do_not_fit_are_refused(x, message):
    with pytest.raises(InvalidInputError, match=message):
        local_complexity(mlp(10, 8, 3), x, dim=2)


def test_non_finite_numbers_are_refused():
    x = points(5, 10)
    with pytest.raises(NonFiniteError, match="points"):
        local_complexity(mlp(10, 8, 3), x.index_fill(0, torch.tensor([3]), torch.inf), dim=2)
    model = mlp(10, 8, 3)
    with torch.no_grad():
        model[0].weight[3, 2] = torch.nan
    with pytest.raises(NonFiniteError, match="weights"):
        local_complexity(model, x, dim=2)
    model = model.double()
    with torch.no_grad():
        model[0].weight.fill_(1e308)
    with pytest.raises(NonFiniteError, match="pre-activations"):
        local_complexity(model, x * 1e3, dim=2)


def test_wide_limit_of_the_second_layer():
    """In a wide network the second layer separates a pair by the arc-cosine kernel of the first."""
    generator = torch.Generator().manual_seed(3)
    d, width, units = 5, 3000, 3000
    model = nn.Sequential(nn.Linear(d, width, bias=False), nn.ReLU(), nn.Linear(width, units, bias=False), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.randn(width, d, generator=generator))
        model[2].weight.copy_(torch.randn(units, width, generator=generator) / width**0.5)
    x = points(6, d)
    counts = local_complexity(model, x, radius=1.0, dim=1).counts[:, 1]
    p, q = vertices(x, 1.0, 1).unbind(1)
    angle = torch.arccos(torch.cosine_similarity(p, q))
    kernel = (torch.sin(angle) + (np.pi - angle) * torch.cos(angle)) / np.pi
    chance = (torch.arccos(kernel) / np.pi).numpy()
    assert np.allclose(counts / units, chance, atol=4 * (0.5 / units**0.5 + 1 / width**0.5))


def test_read_only_points_are_as_good_as_any():
    x = points(3, 4).numpy()
    x.setflags(write=False)
    assert (
        local_complexity(mlp(4, 5, 2), x, dim=2).counts == local_complexity(mlp(4, 5, 2), x.copy(), dim=2).counts
    ).all()


@pytest.mark.slow
def test_sixty_thousand_images_need_little_memory():
    resource = pytest.importorskip("resource")
    model, x = mlp(784, 50, 10), torch.rand(60_000, 1, 28, 28)
    result = local_complexity(nn.Sequential(nn.Flatten(), *model), x, dim=25)
    assert len(result.counts) == 60_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20
