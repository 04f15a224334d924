"""Properties of refinement by any lines, found by hypothesis; integer lines are as degenerate as they come."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from splinegeo.mesh import BORDER, dissolve, on_host
from splinegeo.testing import arrangement

from .lines import areas, counts, cut, host, square, windows

SQUARE = square(2.0)
SMALL = st.integers(-4, 4)
LINES = st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=12)
# Derandomised: the same examples on every machine.
reproducible = settings(derandomize=True, deadline=None, max_examples=100)


def window():
    return windows([SQUARE])


@reproducible
@given(LINES)
def test_counts_are_those_of_the_arrangement_in_rational_arithmetic(lines):
    exact = arrangement(lines, [tuple(corner) for corner in SQUARE.tolist()])
    assert counts(cut(window(), lines)) == (exact.n_vertices, exact.n_edges, exact.n_regions)


@reproducible
@given(LINES)
def test_areas_are_positive_and_add_up(lines):
    found = areas(cut(window(), lines))
    assert found[0] > 1e-9
    assert abs(found.sum() - 16) < 1e-12


@reproducible
@given(LINES, st.randoms(use_true_random=False))
def test_the_order_of_units_does_not_matter(lines, random):
    shuffled = random.sample(lines, len(lines))
    assert counts(cut(window(), shuffled)) == counts(cut(window(), lines))


@reproducible
@given(LINES, st.lists(st.sampled_from([-8.0, -1.0, 0.125, 3.0, 1e6, 1e-6]), min_size=12, max_size=12))
def test_the_scale_of_a_unit_does_not_matter(lines, factors):
    scaled = [tuple(f * c for c in line) for f, line in zip(factors, lines, strict=False)]
    assert counts(cut(window(), scaled)) == counts(cut(window(), lines))


@reproducible
@given(LINES, st.integers(0, 12))
def test_two_layers_are_one_arrangement(lines, split):
    first, second = lines[:split], lines[split:]
    mesh = cut(window(), first) if first else window()
    mesh = cut(mesh, second, layer=1) if second else mesh
    assert counts(mesh) == counts(cut(window(), lines))


@reproducible
@given(LINES, LINES)
def test_dissolving_a_layer_undoes_it(lines, more):
    before = cut(window(), lines)
    after = cut(before, more, layer=1)
    restored = dissolve(after, after.edge_layer == 1, len(before.vertices)).mesh
    assert counts(restored) == counts(before)
    np.testing.assert_allclose(areas(restored), areas(before), rtol=1e-7)


@reproducible
@given(LINES)
def test_every_inner_edge_lies_on_the_line_it_names(lines):
    mesh = host(cut(window(), lines))
    inner = mesh.edge_layer != BORDER
    named = np.array(lines, dtype=float)[mesh.edge_unit[inner]]
    ends = mesh.vertices[mesh.edges[inner]]
    off = (ends * named[:, None, :2]).sum(-1) + named[:, None, 2]
    assert abs(off).max(initial=0) < 1e-12


@reproducible
@given(LINES, st.integers(2, 4))
def test_windows_do_not_see_each_other(lines, n):
    together = cut(windows([SQUARE / (k + 1) for k in range(n)]), lines)
    alone = [cut(windows([SQUARE / (k + 1)]), lines).n_regions for k in range(n)]
    assert np.bincount(on_host(together.window)).tolist() == alone
