from __future__ import annotations

import numpy as np
import pytest

import splinegeo as sg
from splinegeo import viz


@pytest.mark.parametrize("quantity", ["area", "radius"])
def test_every_region_is_counted_in_its_bin(part, quantity):
    (steps,) = viz.draw_region_sizes(part, quantity, bins=7).patches
    heights, ends, _ = steps.get_data()
    size = part.areas if quantity == "area" else part.chebyshev()[1]
    assert heights.sum() == part.n_regions
    for height, low, high in zip(heights[1:-1], ends[1:-2], ends[2:-1], strict=True):
        assert height == ((low <= size) & (size < high)).sum()


def test_checkpoints_share_their_bins(parts):
    ax = viz.draw_region_sizes(dict(enumerate(parts)), legend="step")
    ends = [patch.get_data().edges for patch in ax.patches]
    assert len(ends) == len(parts)
    assert all(np.array_equal(ends[0], other) for other in ends)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "1", "2", "3"]


def test_what_is_no_size_is_refused(part):
    with pytest.raises(sg.InvalidInputError, match="quantity='volume'"):
        viz.draw_region_sizes(part, "volume")
    with pytest.raises(sg.InvalidInputError, match="no partition"):
        viz.draw_region_sizes({})
