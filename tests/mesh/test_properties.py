"""Properties of refinement by any lines, found by hypothesis; integer lines are as degenerate as they come."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from splinegeo.mesh import BORDER, decide_signs, dissolve, refine, windows
from splinegeo.testing import arrangement
from splinegeo.tolerance import Tolerance

TOLERANCE = Tolerance.of(torch.float64)
SQUARE = [(-2.0, -2.0), (2.0, -2.0), (2.0, 2.0), (-2.0, 2.0)]
SMALL = st.integers(-4, 4)
LINES = st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=12)
# Derandomised: the same examples on every machine.
reproducible = settings(derandomize=True, deadline=None, max_examples=150)


def cut(mesh, lines, layer=0):
    lines = torch.tensor(lines, dtype=torch.float64)
    z = mesh.vertices @ lines[:, :2].T + lines[:, 2]
    events = decide_signs(z, TOLERANCE.value * (2 * lines[:, :2].abs().sum(1) + lines[:, 2].abs()))
    return refine(mesh, events, torch.arange(len(lines)), layer, TOLERANCE.length)


def window():
    return windows([torch.tensor(SQUARE, dtype=torch.float64)])


def counts(mesh):
    return mesh.n_regions, len(mesh.edges), len(mesh.vertices)


def areas(mesh):
    p = mesh.vertices[mesh.loop_vertices()]
    q = p[mesh.next_slot()]
    cross = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    return torch.zeros(mesh.n_regions, dtype=p.dtype).index_add_(0, mesh.loop_regions(), cross / 2)


@reproducible
@given(LINES)
def test_counts_are_those_of_the_arrangement_in_rational_arithmetic(lines):
    exact = arrangement(lines, SQUARE)
    assert counts(cut(window(), lines).mesh) == (exact.n_regions, exact.n_edges, exact.n_vertices)


@reproducible
@given(LINES)
def test_areas_are_positive_and_add_up(lines):
    found = areas(cut(window(), lines).mesh)
    assert found.min() > 1e-9
    assert abs(float(found.sum()) - 16) < 1e-12


@reproducible
@given(LINES, st.randoms(use_true_random=False))
def test_the_order_of_units_does_not_matter(lines, random):
    shuffled = random.sample(lines, len(lines))
    assert counts(cut(window(), shuffled).mesh) == counts(cut(window(), lines).mesh)


@reproducible
@given(LINES, st.lists(st.sampled_from([-8.0, -1.0, 0.125, 3.0, 1e6, 1e-6]), min_size=12, max_size=12))
def test_the_scale_of_a_unit_does_not_matter(lines, factors):
    scaled = [tuple(f * c for c in line) for f, line in zip(factors, lines, strict=False)]
    assert counts(cut(window(), scaled).mesh) == counts(cut(window(), lines).mesh)


@reproducible
@given(LINES, st.integers(0, 12))
def test_two_layers_are_one_arrangement(lines, split):
    first, second = lines[:split], lines[split:]
    mesh = cut(window(), first).mesh if first else window()
    mesh = cut(mesh, second, layer=1).mesh if second else mesh
    assert counts(mesh) == counts(cut(window(), lines).mesh)


@reproducible
@given(LINES, LINES)
def test_dissolving_a_layer_undoes_it(lines, more):
    before = cut(window(), lines).mesh
    after = cut(before, more, layer=1).mesh
    restored = dissolve(after, after.edge_layer == 1, len(before.vertices)).mesh
    assert counts(restored) == counts(before)
    torch.testing.assert_close(areas(restored).sort().values, areas(before).sort().values)


@reproducible
@given(LINES)
def test_every_inner_edge_lies_on_the_line_it_names(lines):
    mesh = cut(window(), lines).mesh
    inner = mesh.edge_layer != BORDER
    named = torch.tensor(lines, dtype=torch.float64)[mesh.edge_unit[inner]]
    ends = mesh.vertices[mesh.edges[inner]]
    off = (ends * named[:, None, :2]).sum(-1) + named[:, None, 2]
    assert off.abs().max() < 1e-12 if len(off) else True


@reproducible
@given(LINES, st.integers(2, 4))
def test_windows_do_not_see_each_other(lines, n):
    corners = torch.tensor(SQUARE, dtype=torch.float64)

    together = cut(windows([corners / (k + 1) for k in range(n)]), lines).mesh
    alone = [cut(windows([corners / (k + 1)]), lines).mesh.n_regions for k in range(n)]
    assert torch.bincount(together.window).tolist() == alone
