"""The counts of one layer against closed formulas."""

from math import comb

import pytest

from splinegeo.testing import arrangement, concurrent_lines, generic_lines, grid_lines, parallel_lines

UNIT = [(0, 0), (1, 0), (1, 1), (0, 1)]
SQUARE = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
WIDE = [(-1e4, -1e4), (1e4, -1e4), (1e4, 1e4), (-1e4, 1e4)]


@pytest.mark.parametrize(
    ("lines", "window", "regions"),
    [
        (generic_lines(0), WIDE, 1),
        (generic_lines(7), WIDE, 1 + 7 + comb(7, 2)),
        (concurrent_lines(9), WIDE, 18),
        (parallel_lines(7), SQUARE, 8),
        (grid_lines(3, 7), UNIT, 32),
        ([(1, 1, 0), (1, -1, 0)], SQUARE, 4),  # diagonals, through the corners
        ([(1, 0, 1), (0, 1, -1), (1, 1, 2)], SQUARE, 1),  # two sides, and a line that touches a corner
    ],
)
def test_regions(lines, window, regions):
    counts = arrangement(lines, window)
    assert counts.n_regions == regions
    assert counts.n_vertices - counts.n_edges + counts.n_regions == 1


def test_a_crossing_on_the_border_is_no_inner_crossing():
    counts = arrangement([(1, 1, -1), (1, -1, -1)], SQUARE)  # they meet at (1, 0)
    assert (counts.n_lines, counts.n_regions) == (2, 3)
