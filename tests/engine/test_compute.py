"""`compute_partition`: known counts, invariances, checkpoints, bad input."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg


def default_mlp(*widths):
    torch.manual_seed(0)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def square(s):
    return sg.Slice.box((-s, s), (-s, s))


@pytest.mark.parametrize(
    ("widths", "half_width", "n_regions"),
    [
        ((2, 30, 30, 1), 1, 577),
        ((2, 32, 32, 32, 32, 1), 1, 1_385),
        ((2, 100, 100, 1), 1, 7_049),
        ((2, 200, 200, 1), 1, 25_142),
        ((2, 64, 64, 64, 64, 1), 10, 30_659),
        pytest.param((2, 200, 200, 200, 10), 1, 53_325, marks=pytest.mark.slow),
        pytest.param((2, 200, 200, 200, 10), 10, 164_957, marks=pytest.mark.slow),
        pytest.param((2, 1000, 1), 1, 176_967, marks=pytest.mark.slow),
    ],
)
def test_counts_on_which_every_exact_tool_agrees(widths, half_width, n_regions):
    """Default initialisation, seed 0: regioncam, edge subdivision and SplineCam give the same numbers."""
    part = sg.compute_partition(default_mlp(*widths), square(half_width))
    assert part.n_regions == n_regions
    assert part.n_vertices - part.n_edges + part.n_regions == 1


def test_partition_checks_out_against_the_module():
    model = default_mlp(2, 40, 40, 5)
    report = sg.compute_partition(model, square(3)).check(model.double())
    assert report.ok, report
    assert report.n_compared > 1000


def test_high_dimensional_slice_agrees_with_the_module_everywhere():
    model = default_mlp(784, 60, 60, 10)
    anchors = torch.rand(3, 784, generator=torch.Generator().manual_seed(1))
    part = sg.compute_partition(model, sg.Slice.through(*anchors))
    u = np.random.default_rng(0).uniform(-1, 1, (500, 2)) * part.domain.window.max()
    with torch.no_grad():
        expected = model.double()(part.domain.embed(u)).numpy()
    np.testing.assert_allclose(part.evaluate(u), expected, atol=1e-10)


def test_many_slices_are_each_slice_by_itself():
    model = default_mlp(8, 30, 30, 3)
    rng = np.random.default_rng(0)
    domains = [sg.Slice.around(rng.normal(size=8), 3 if i % 2 else 0.01, rng=i) for i in range(6)]
    together = sg.compute_partitions(model, domains)
    for part, domain in zip(together, domains, strict=True):
        alone = sg.compute_partition(model, domain)
        assert (part.n_regions, part.n_vertices, part.n_edges) == (alone.n_regions, alone.n_vertices, alone.n_edges)
        np.testing.assert_allclose(np.sort(part.areas), np.sort(alone.areas), rtol=1e-9, atol=1e-15)
        assert part.check().ok


def test_checkpoints_are_each_model_by_itself():
    models = [default_mlp(2, 20, 20, 3) for _ in range(3)]
    for k, model in enumerate(models):
        with torch.no_grad():
            model[0].bias.add_(0.1 * k)
    parts = sg.compute_partitions(models[0], square(1), states=[m.state_dict() for m in models])
    assert [p.n_regions for p in parts] == [sg.compute_partition(m, square(1)).n_regions for m in models]
    assert all(p.check(m.double()).ok for p, m in zip(parts, models, strict=True))


def test_checkpoints_times_slices_nest():
    model = default_mlp(2, 10, 3)
    nested = sg.compute_partitions(model, [square(1), square(2)], states=[model.state_dict()] * 3)
    assert [len(row) for row in nested] == [2, 2, 2]


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_the_scale_of_the_plane_does_not_matter(scale):
    model, reference = default_mlp(2, 20, 20, 1).double(), default_mlp(2, 20, 20, 1).double()
    with torch.no_grad():
        model[0].weight.div_(scale)
    part = sg.compute_partition(model, square(3 * scale))
    expected = sg.compute_partition(reference, square(3))
    assert part.n_regions == expected.n_regions
    np.testing.assert_allclose(np.sort(part.areas), np.sort(expected.areas) * scale**2, rtol=1e-6)


@pytest.mark.parametrize("shift", [10.0, 1e4, 1e6])
def test_windows_far_from_the_origin(shift):
    model, reference = default_mlp(2, 20, 20, 1).double(), default_mlp(2, 20, 20, 1).double()
    with torch.no_grad():
        model[0].bias.sub_(model[0].weight.sum(1) * shift)
    part = sg.compute_partition(model, sg.Slice.box((shift - 3, shift + 3), (shift - 3, shift + 3)))
    assert part.n_regions == sg.compute_partition(reference, square(3)).n_regions
    assert part.check().ok


def test_the_callers_module_is_not_touched():
    model = default_mlp(2, 10, 3)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    sg.compute_partition(model, square(1))
    assert model.training
    assert next(model.parameters()).dtype == torch.float32
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_float32_engine_misses_only_what_its_certificate_owns_up_to():
    part = sg.compute_partition(default_mlp(2, 30, 30, 1), square(1), dtype=torch.float32)
    assert part.n_vertices - part.n_edges + part.n_regions == 1
    assert part.certificate.value_tolerance == 2**5 * torch.finfo(torch.float32).eps
    assert 0 <= 577 - part.n_regions <= part.certificate.n_snapped + 6


def test_until_stops_after_a_submodule():
    model = default_mlp(2, 20, 20, 3)
    first = sg.compute_partition(model, square(2), until="1")
    assert first.layer_names == ("1",)
    assert first.n_regions == sg.compute_partition(model[:2], square(2)).n_regions
    assert first.slope.shape[1] == 20


def test_an_affine_network_is_one_region():
    part = sg.compute_partition(nn.Linear(2, 3), square(1))
    assert (part.n_regions, part.n_vertices, part.n_edges) == (1, 4, 4)
    assert part.check().ok


def overflowing():
    model = default_mlp(2, 8, 8, 1).double()
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(1e160)
    return model


def without_outputs():
    model = default_mlp(2, 3, 1)
    model[2].weight, model[2].bias = nn.Parameter(torch.zeros(0, 3)), nn.Parameter(torch.zeros(0))
    return model


def with_nan():
    model = default_mlp(2, 8, 1)
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
    return model


@pytest.mark.parametrize(
    ("model", "domain", "options", "error", "message"),
    [
        (nn.Sequential(nn.Linear(2, 3), nn.Dropout()), None, {}, sg.NotPiecewiseAffineError, "training mode"),
        (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), None, {}, sg.NotPiecewiseAffineError, "training mode"),
        (default_mlp(3, 4, 1), None, {}, sg.InvalidInputError, r"inputs of shape \(n, 2\)"),
        (with_nan(), None, {}, sg.NonFiniteError, "0.weight"),
        (without_outputs(), None, {}, sg.InvalidInputError, "has no outputs"),
        (overflowing(), None, {}, sg.NonFiniteError, "overflow|infinite"),
        (nn.Sequential(nn.Linear(2, 3), nn.Softmax(-1)), None, {}, sg.NotPiecewiseAffineError, "softmax"),
        (default_mlp(2, 4, 1), None, {"until": "nine"}, sg.InvalidInputError, "no submodule 'nine'"),
        (default_mlp(2, 4, 1), None, {"dtype": torch.float16}, TypeError, "float64 or float32"),
        ("a string", None, {}, TypeError, "torch.nn.Module"),
    ],
)
def test_bad_input_gets_one_clear_sentence(model, domain, options, error, message):
    with pytest.raises(error, match=message) as caught:
        sg.compute_partition(model, domain or square(1), **options)
    assert "\n" not in str(caught.value)


def test_no_slices_and_mixed_slices_are_refused():
    model = default_mlp(2, 4, 1)
    with pytest.raises(sg.InvalidInputError, match="empty"):
        sg.compute_partitions(model, [])
    with pytest.raises(sg.InvalidInputError, match="one input shape"):
        sg.compute_partitions(model, [square(1), sg.Slice.around(np.zeros(3), 1.0)])
