"""Laws of integral geometry and of random networks: averages that a partition must reproduce."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from scipy.special import ellipe
from torch import nn

import splinegeo as sg
from splinegeo.testing import linear_layer, random_network


def inner_length(part):
    """Total length of the edges inside the window."""
    a, b = part.vertices[part.edges[part.edge_layer >= 0]].transpose(1, 0, 2)
    return np.linalg.norm(b - a, axis=1).sum()


def crossings(part, start, end):
    """How often a chord crosses an edge, by sides of both lines."""
    a, b = part.vertices[part.edges[part.edge_layer >= 0]].transpose(1, 0, 2)

    def side(p, q, x):
        return (q - p)[..., 0] * (x - p)[..., 1] - (q - p)[..., 1] * (x - p)[..., 0]

    apart = side(start, end, a) * side(start, end, b) < 0
    return int((apart & (side(a, b, start) * side(a, b, end) < 0)).sum())


def breaks_along(model, start, end):
    """How often the pattern of a ReLU network changes on a segment, by fractions in one dimension."""
    line = [(Fraction(a), Fraction(b) - Fraction(a)) for a, b in zip(start, end, strict=True)]
    pieces = [(Fraction(0), Fraction(1), line)]
    for layer in model:
        pieces = [part for piece in pieces for part in through(layer, *piece)]
    return len(pieces) - 1


def through(layer, low, high, values):
    if isinstance(layer, nn.Linear):
        bias = [Fraction(b) for b in layer.bias.tolist()]
        rows = [[Fraction(w) for w in row] for row in layer.weight.tolist()]
        mapped = [[sum(w * v[i] for w, v in zip(row, values, strict=True)) for i in (0, 1)] for row in rows]
        yield low, high, [(a + c, b) for (a, b), c in zip(mapped, bias, strict=True)]
        return
    zeros = sorted({-a / b for a, b in values if b and low < -a / b < high})
    for left, right in pairwise([low, *zeros, high]):
        middle = (left + right) / 2
        yield left, right, [(a, b) if a + b * middle > 0 else (Fraction(0), Fraction(0)) for a, b in values]


def random_chords(n, radius, rng):
    """Isotropic uniform lines that meet a disc, as long segments."""
    angle, offset = rng.uniform(0, np.pi, n), rng.uniform(-radius, radius, n)
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    along = 10 * radius * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    return offset[:, None] * normal - along, offset[:, None] * normal + along


def test_a_chord_meets_as_many_edges_as_the_pattern_changes_along_it():
    model, _ = random_network("generic", 21)
    part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    rng = np.random.default_rng(0)
    for start, end in rng.uniform(-1, 1, (20, 2, 2)):
        assert crossings(part, start, end) == breaks_along(model, start, end)


def test_crofton():
    """A random line that meets a convex window crosses 2 · length / perimeter edges on average."""
    model, _ = random_network("generic", 21)
    disc = np.stack([np.cos(t := np.arange(64) * np.pi / 32), np.sin(t)], axis=1)
    part = sg.compute_partition(model, sg.Slice.polygon(disc))
    perimeter = np.linalg.norm(np.roll(disc, -1, axis=0) - disc, axis=1).sum()
    counts = np.array(
        [crossings(part, a, b) for a, b in zip(*random_chords(4000, 1.0, np.random.default_rng(1)), strict=True)]
    )
    # the lines meet the unit disc; of those that miss the 64-gon inside it none crosses an edge
    expected = 2 * inner_length(part) / perimeter * (perimeter / (2 * np.pi))
    assert abs(counts.mean() - expected) < 4 * counts.std() / np.sqrt(len(counts))


def length_per_unit(part, n):
    """Length of the zero set of each of n units inside the window, ``(n,)``."""
    inner = part.edge_layer >= 0
    a, b = part.vertices[part.edges[inner]].transpose(1, 0, 2)
    return np.bincount(part.edge_unit[inner], np.linalg.norm(b - a, axis=1), n)


def test_kink_length_density_of_one_gaussian_layer():
    """At distance r: n s₁ E(1 − s₁²/σw²) / (π σb), with s₁ = σw / √(1 + r²σw²/σb²).

    Windows share lines but units are independent, so the error of the mean is estimated over units.
    """
    rng = np.random.default_rng(2)
    n, weight_std, bias_std = 800, 1.3, 0.8
    weight, bias = rng.normal(0, weight_std, (n, 2)), rng.normal(0, bias_std, n)
    model = nn.Sequential(linear_layer(weight, bias), nn.ReLU())
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    for r, half_width in ((0.2, 0.02), (1.0, 0.04), (3.0, 0.12)):
        angles = np.arange(16) * np.pi / 8
        centres = r * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        parts = sg.compute_partitions(model, [sg.Slice.polygon(centre + half_width * square) for centre in centres])
        lengths = np.sum([length_per_unit(part, n) for part in parts], axis=0)
        density = lengths / (len(parts) * (2 * half_width) ** 2)
        s1 = weight_std / np.sqrt(1 + (r * weight_std / bias_std) ** 2)
        expected = s1 * ellipe(1 - (s1 / weight_std) ** 2) / (np.pi * bias_std)
        assert abs(density.mean() - expected) < 4 * density.std() / np.sqrt(n), r
        assert abs(density.mean() / expected - 1) < 0.2, r
