"""Zero-bias networks: regions are cones, counted a second time along the window's border."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from torch import nn

from splinegeo.testing import random_network, rational_witness

SQUARE = [(-1, -1), (1, -1), (1, 1), (-1, 1)]


def patterns_along(model, start, end):
    """Sign patterns of a ReLU network on the pieces of a segment, in order, by fractions in one dimension."""
    pieces = [
        (
            (Fraction(0), Fraction(1)),
            (),
            [(Fraction(a), Fraction(b - a)) for a, b in zip(start, end, strict=True)],
        )
    ]
    for layer in model:
        if isinstance(layer, nn.Linear):
            weight = [[Fraction(w) for w in row] for row in layer.weight.tolist()]
            pieces = [(t, p, [dot(row, values) for row in weight]) for t, p, values in pieces]
        else:
            pieces = [part for piece in pieces for part in split(*piece)]
    return [pattern for _, pattern, _ in pieces]


def dot(row, values):
    return sum(w * v[0] for w, v in zip(row, values, strict=True)), sum(
        w * v[1] for w, v in zip(row, values, strict=True)
    )


def split(interval, pattern, values):
    zeros = {-a / b for a, b in values if b and interval[0] < -a / b < interval[1]}
    ends = [interval[0], *sorted(zeros), interval[1]]
    for low, high in pairwise(ends):
        middle = (low + high) / 2
        signs = [int(np.sign(a + b * middle)) for a, b in values]
        rectified = [v if sign > 0 else (0, 0) for v, sign in zip(values, signs, strict=True)]
        yield (low, high), (*pattern, *signs), rectified


@pytest.mark.parametrize("seed", range(12))
def test_regions_of_a_zero_bias_network_are_the_pieces_of_the_border(seed):
    model, _ = random_network("zero_bias", seed)
    around = [p for a, b in zip(SQUARE, SQUARE[1:] + SQUARE[:1], strict=True) for p in patterns_along(model, a, b)]
    breaks = sum(around[i] != around[i - 1] for i in range(len(around)))
    witness = rational_witness(model, SQUARE)
    assert witness.n_regions == max(breaks, 1)
    assert all((Fraction(0), Fraction(0)) in r.corners for r in witness.regions) or witness.n_regions <= 2
