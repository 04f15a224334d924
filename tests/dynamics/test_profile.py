"""The migration profile on networks whose profile is known, and its statistics on counts whose ratio is known."""

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.dynamics.profile import MigrationProfile

from .conftest import small_model

D = 6


def planes(*offsets, boundary=0.0):
    """Two classes that meet at x₀ = boundary; one unit bends at each offset."""
    model = nn.Sequential(nn.Linear(D, len(offsets) + 2), nn.ReLU(), nn.Linear(len(offsets) + 2, 2)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model[0].weight[:, 0] = 1.0
        model[0].bias[:-2] = -torch.tensor(offsets, dtype=torch.float64)
        # Two units that never bend near the data carry x₀ itself.
        model[0].bias[-2:] = torch.tensor([50.0, 60.0], dtype=torch.float64)
        model[2].weight[1] = torch.cat([1e-9 * torch.ones(len(offsets)), torch.tensor([1.0, 0.0])]).double()
        model[2].bias[1] = -50.0 - boundary
    return model


def points(at=1.0, n=60):
    """Half at x₀ = −at, half at +at, the other coordinates at random."""
    x = torch.rand(n, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 0] = at * (2.0 * (torch.arange(n) % 2) - 1)
    return x, torch.arange(n) % 2


def test_units_at_the_boundary_count_there_and_those_at_the_data_there():
    x, y = points()
    for offsets, expected in (((0.0, 0.0, 0.0), [0, 0, 3]), ((-1.0, 1.0), [1, 0, 0]), ((-0.5, 0.5), [0, 1, 0])):
        model = planes(*offsets)
        for exact in (False, True):
            found = sg.migration_profile(model, x, y, n_segments=40, fractions=3, radius=0.05, dim=D, exact=exact)
            assert found.complexity.shape == (40, 3, 1)
            # A full frame crosses every plane through its centre; the two directions of a diamond may miss one.
            np.testing.assert_allclose(found.mean, expected, atol=0.0 if not exact else 0.02)
            assert found.layer_mean(found.layer_names[0]).tolist() == found.mean.tolist()


def test_the_way_ends_where_the_class_is_lost_first():
    """Three classes in a row of slabs: from the first to the last, the boundary with the middle one comes first."""
    slabs = nn.Linear(1, 3).double()
    with torch.no_grad():
        slabs.weight.copy_(torch.tensor([[-10.0], [0.0], [10.0]]))
        slabs.bias.copy_(torch.tensor([-1.0, 0.0, -1.0]))  # boundaries at x = −0.1 and 0.1
    x, y = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).repeat(10, 1), torch.tensor([0, 2]).repeat(10)
    model = nn.Sequential(slabs, nn.Hardtanh(-1e3, 1e3))
    found = sg.migration_profile(model, x, y, fractions=2, radius=1e-3, dim=1)
    np.testing.assert_allclose(found.distances, 0.9, rtol=1e-12)


def test_segments_join_different_classes_and_begin_at_different_points():
    x, y = points(n=50)
    found = sg.migration_profile(planes(0.0), x, y, n_segments=20, fractions=2, dim=2)
    assert len(found.complexity) == 20
    assert len(np.unique(found.distances)) == 20  # other coordinates are random, so that equal ways are equal segments
    more = sg.migration_profile(planes(0.0), x, y, n_segments=300, fractions=2, dim=2)
    assert 50 < len(more.complexity) <= 300


def test_a_network_that_gives_one_class_has_no_way():
    x, y = points()
    found = sg.migration_profile(planes(0.0, boundary=7.0), x, y, fractions=3, dim=2)
    assert found.complexity.shape == (0, 3, 1)
    assert np.isnan(found.mean).all()
    assert np.isnan([*found.log2_ratio_interval(), *found.crest]).all()


def test_results_repeat_and_leave_the_model_as_it_was():
    model, x = small_model(), torch.rand(80, 6, generator=torch.Generator().manual_seed(0))
    y = torch.arange(80) % 3
    modes, state = [m.training for m in model.modules()], torch.get_rng_state()
    first = sg.migration_profile(model, x, y, n_segments=30, radius=0.3, dim=3, rng=1)
    again = sg.migration_profile(model, x, y, n_segments=30, radius=0.3, dim=3, rng=1, batch_size=7)
    np.testing.assert_array_equal(first.complexity, again.complexity)
    assert modes == [m.training for m in model.modules()]
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(ValueError, match="read-only"):
        first.complexity[0] = 0


def made(data, boundary):
    """A profile with these counts at both ends, and none between."""
    counts = np.stack([data, np.zeros_like(data), boundary], axis=1)[:, :, None]
    return MigrationProfile(np.array([0.0, 0.5, 1.0]), counts, np.ones(len(data)), ("a",), 0.1)


def test_the_ratio_is_that_of_the_counts():
    n = 4000
    found = made(np.full(n, 1), np.full(n, 8))
    assert found.log2_ratio == pytest.approx(3, abs=0.01)
    assert found.crest.fraction == found.crest.low == found.crest.high == 1.0
    empty = made(np.zeros(100, int), np.zeros(100, int))
    assert empty.log2_ratio == 0
    assert made(np.zeros(100, int), np.full(100, 3)).log2_ratio == pytest.approx(np.log2(301))


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    """Poisson counts of means 0.3 and 1.2, paired and correlated: 90 % of the intervals hold log₂ 4."""
    generator, trials = np.random.default_rng(0), 400
    hit = 0
    for _ in range(trials):
        shared = generator.poisson(0.1, 200)
        _, low, high = made(
            shared + generator.poisson(0.2, 200), shared + generator.poisson(1.1, 200)
        ).log2_ratio_interval(0.9)
        hit += low <= 2 <= high
    assert 0.86 < hit / trials < 0.94


def test_rare_counts_at_the_data_leave_the_upper_end_open():
    data = np.zeros(400, int)
    data[:2] = 1
    value, low, high = made(data, np.random.default_rng(0).poisson(1.0, 400)).log2_ratio_interval()
    assert 4 < low < value < high == np.inf
    over = made(data, np.full(400, 2)).log2_ratio_interval(over=0.5)
    assert over[0] > value


def test_the_crest_is_where_the_counts_are_and_its_interval_holds_it():
    generator = np.random.default_rng(1)
    means = np.array([0.1, 0.4, 1.0, 0.5, 0.1])
    counts = generator.poisson(means, (300, 5))[:, :, None]
    crest = MigrationProfile(np.linspace(0, 1, 5), counts, np.ones(300), ("a",), 0.1).crest
    assert crest.low <= crest.fraction == 0.5 <= crest.high
    flat = MigrationProfile(np.linspace(0, 1, 5), generator.poisson(1.0, (300, 5, 1)), np.ones(300), ("a",), 0.1).crest
    assert flat.high - flat.low >= 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fractions": 1}, "fractions must ascend"),
        ({"fractions": [0, 0.5]}, "fractions must ascend"),
        ({"fractions": [0, 0.7, 0.6, 1]}, "fractions must ascend"),
        ({"n_segments": 0}, "n_segments"),
        ({"y": torch.zeros(60, dtype=torch.int64)}, "same label"),
        ({"y": torch.arange(60) % 3}, "labels lie between 0 and 2"),
        ({"x": torch.rand(60, D, dtype=torch.float64)[:50]}, "50 integer labels"),
        ({"radius": -1.0}, "radius"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    x, y = points()
    arguments = {"model": planes(0.0), "x": x, "y": y, "dim": 2, **change}
    with pytest.raises(sg.SplineGeoError, match=message):
        sg.migration_profile(**arguments)
    with pytest.raises(sg.InvalidInputError, match="over must be one of"):
        made(np.ones(5, int), np.ones(5, int)).log2_ratio_interval(over=0.3)
