"""Lines that meet only up to rounding: the partition is that of the lines that were meant, and says so."""

import numpy as np
import pytest
from torch import nn

import splinegeo as sg
from splinegeo.testing import assert_valid_partition, line_network, linear_layer, rational_witness

WINDOW = 2 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def decimal_network(widths, denominator, rng):
    """A network with weights k / denominator in floats, and the same one in integers.

    ReLU is homogeneous: when every weight is multiplied by the denominator and the biases of layer l by its
    power l, each unit is multiplied by a positive number. In floats k / 10 is rounded, and what met in one
    point misses by 1e-17; in integers it meets.
    """
    rounded, meant, fan_in = [], [], 2
    for level, width in enumerate([*widths, 1]):
        weight, bias = rng.integers(-9, 10, (width, fan_in)), rng.integers(-9, 10, width)
        rounded += [linear_layer(weight / denominator, bias / denominator), nn.ReLU()]
        meant += [linear_layer(weight, bias * float(denominator) ** level), nn.ReLU()]
        fan_in = width
    return nn.Sequential(*rounded[:-1]), nn.Sequential(*meant[:-1])


@pytest.mark.parametrize("denominator", [3, 10])
@pytest.mark.parametrize("widths", [(10,), (8, 8), (6, 6, 6)], ids=str)
def test_rounded_weights_have_the_partition_of_the_weights_that_were_meant(denominator, widths):
    rng = np.random.default_rng(denominator)
    pairs = [decimal_network(widths, denominator, rng) for _ in range(10)]
    states = [rounded.state_dict() for rounded, _ in pairs]
    parts = sg.compute_partitions(pairs[0][0], sg.Slice.polygon(WINDOW), states=states)
    for part, (rounded, meant) in zip(parts, pairs, strict=True):
        witness = rational_witness(meant, WINDOW)
        exact = witness.subdivision
        assert (part.n_regions, part.n_edges, part.n_vertices) == (
            witness.n_regions,
            exact.n_edges,
            exact.n_vertices,
        )
        assert_valid_partition(part, rounded)


def test_the_certificate_counts_crossings_that_were_merged():
    """Three lines through (1, 1) but for rounding: 7 regions in rational arithmetic, one of area 1e-32."""
    model = line_network([(0.1, 0.3, -0.4), (0.7, 0.2, -0.9), (0.3, 0.8, -1.1)])
    domain = sg.Slice.box((0, 2), (0, 2))
    part, witness = sg.compute_partition(model, domain), rational_witness(model, domain.window)
    assert (part.n_regions, witness.n_regions) == (6, 7)
    assert part.certificate.n_merged > 0
    np.testing.assert_allclose(part.certificate.close["u"], 1.0, atol=1e-9)
