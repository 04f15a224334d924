"""The engine against rational arithmetic: a slice of what ``python -m splinegeo.testing`` does."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.testing import (
    NETWORK_KINDS,
    assert_matches_rational,
    assert_valid_partition,
    linear_layer,
    random_network,
    rational_witness,
)
from splinegeo.testing.runner import blocks, run_blocks


def compare(model, window):
    part = sg.compute_partition(model, sg.Slice.polygon(window))
    assert_matches_rational(part, rational_witness(model, window))
    assert_valid_partition(part, model)


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_random_networks(kind):
    compare(*random_network(kind, 2_000_000))


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_more_random_networks(kind):
    work = blocks([kind], 160, first_seed=2_000_000)
    assert not [t for trials in run_blocks(work) for t in trials if t.disagreement]


def scaled_per_layer(model, factor):
    """Weights of layer k times factor^±1 in turn, and biases to match: the lines stay where they were."""
    twin, running = copy.deepcopy(model), 1.0
    for k, layer in enumerate(layer for layer in twin if isinstance(layer, nn.Linear)):
        step = factor if k % 2 == 0 else 1 / factor
        running *= step
        layer.weight.data *= step
        layer.bias.data *= running
    return twin


@pytest.mark.parametrize("factor", [1e-6, 2.0**-20, 2.0**20, 1e6])
@pytest.mark.parametrize("kind", ["generic", "quantised_quarters", pytest.param("pruned", marks=pytest.mark.slow)])
def test_weights_of_any_scale(kind, factor):
    """Powers of two scale exactly; 1e6 rounds, and lines that met miss by 1e-17, which no count may see."""
    model, window = random_network(kind, 1)
    witness = rational_witness(model, window)
    scaled = scaled_per_layer(model, factor)
    part = sg.compute_partition(scaled, sg.Slice.polygon(window))
    assert part.n_regions == witness.n_regions
    assert_valid_partition(part, scaled)
    if factor in (2.0**-20, 2.0**20):
        assert_matches_rational(part, rational_witness(scaled, window))


@pytest.mark.parametrize("half_width", [2.0**-20, 2.0**20])
def test_windows_of_any_size(half_width):
    model, window = random_network("quantised_quarters", 4)
    first = model[0]
    zoomed = linear_layer(first.weight.detach() / half_width, first.bias.detach())
    compare(nn.Sequential(zoomed, *model[1:]), window * half_width)


@pytest.mark.parametrize("distance", [2.0**10, 2.0**20])
@pytest.mark.parametrize("kind", ["integer", "quantised_quarters"])
def test_windows_far_from_the_origin(kind, distance):
    """Dyadic weights shift without rounding, so that the same regions appear at another place."""
    model, window = random_network(kind, 6)
    weight, bias = model[0].weight.detach(), model[0].bias.detach()
    away = np.array([distance, -3 * distance])
    moved = nn.Sequential(linear_layer(weight, bias - weight @ torch.from_numpy(away)), *model[1:])
    compare(moved, window + away)
    assert rational_witness(moved, window + away).n_regions == rational_witness(model, window).n_regions


@pytest.mark.parametrize("kind", ["generic", "zero_bias", "quantised_quarters"])
def test_float32_models_are_partitioned_in_float64(kind):
    model, window = random_network(kind, 7)
    compare(model.float(), window)
    assert next(model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("kind", ["generic", "aligned_window"])
def test_every_edge_lies_on_a_break_of_the_unit_that_it_names(kind):
    """… and in the generic case that is the only unit in which its two regions differ."""
    model, window = random_network(kind, 8)
    part = sg.compute_partition(model, sg.Slice.polygon(window))
    inner = np.flatnonzero(part.edge_layer >= 0)
    middle = part.vertices[part.edges[inner]].mean(axis=1)
    before, codes = [], []
    with torch.no_grad():
        on_edge, inside = torch.from_numpy(middle), torch.from_numpy(part.centroids.copy())
        for layer in model:
            if isinstance(layer, nn.ReLU):
                before.append(on_edge.numpy())
                codes.append((inside > 0).numpy())
            on_edge, inside = layer(on_edge), layer(inside)
    for row, (layer, unit) in enumerate(zip(part.edge_layer[inner], part.edge_unit[inner], strict=True)):
        assert abs(before[layer][row, unit]) < 1e-9
    pattern = np.concatenate(codes, axis=1)
    one, other = part.edge_regions[inner].T
    differing = (pattern[one] != pattern[other]).sum(axis=1)
    assert (differing == 1).all() if kind == "generic" else (differing >= 1).all()
