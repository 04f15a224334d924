"""Random networks are what their kind promises, and the same for the same seed."""

import numpy as np
import pytest
import torch

from splinegeo.testing import NETWORK_KINDS, describe, random_network, rational_witness


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_the_same_seed_gives_the_same_network_and_draws_nothing_from_torch(kind):
    state = torch.get_rng_state()
    (one, window), (two, again) = random_network(kind, 11), random_network(kind, 11)
    assert torch.equal(state, torch.get_rng_state())
    assert describe(one) == describe(two)
    assert np.array_equal(window, again)
    assert describe(one) != describe(random_network(kind, 12)[0])


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_sizes_and_format(kind):
    for seed in range(20):
        model, window = random_network(kind, seed)
        linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
        assert 2 <= len(linear) <= 4
        assert linear[0].in_features == 2
        assert all(2 <= layer.in_features <= 12 for layer in linear)
        assert all(p.dtype == torch.float64 for p in model.parameters())
        assert not model.training
        assert window.dtype == np.float64


def test_a_generator_may_be_passed():
    rng = np.random.default_rng(3)
    assert describe(random_network("abs", rng)[0]) != describe(random_network("abs", rng)[0])


def test_unknown_kind():
    with pytest.raises(KeyError, match="round"):
        random_network("round", 0)


def test_aligned_windows_have_lines_through_their_corners():
    model, window = random_network("aligned_window", 1)
    weight, bias = (p.detach().numpy() for p in (model[0].weight, model[0].bias))
    assert ((window @ weight.T + bias) == 0).any(axis=0).all()


def test_constant_networks_include_one_without_any_cut():
    assert min(rational_witness(*random_network("constant", seed)).n_regions for seed in range(20)) == 1


def test_duplicated_rows_are_exact_multiples():
    model, _ = random_network("duplicated", 0)
    rows = np.concatenate([model[0].weight.detach().numpy(), model[0].bias.detach().numpy()[:, None]], axis=1)
    assert len(np.unique(rows / rows[:, :1], axis=0)) < len(rows)
