from __future__ import annotations

import numpy as np
import pytest
import torch

import splinegeo as sg
from splinegeo import viz


def test_anchors_stand_at_their_projections():
    anchors = torch.rand(3, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    domain = sg.Slice.through(*anchors)
    ax = viz.draw_points(domain, anchors, labels=[3, 5, 8])
    assert np.allclose(ax.collections[0].get_offsets(), domain.project(anchors))
    assert [text.get_text() for text in ax.texts] == ["3", "5", "8"]


def test_view_stays_the_window(part):
    ax = viz.draw_points(part, [[7.0, 0.0]], ax=viz.draw_partition(part))
    assert ax.get_xlim() == (-2, 2)


def test_one_colour_for_each_point(part):
    ax = viz.draw_points(part, np.zeros((3, 2)), color=["red", "green", "blue"])
    assert len(ax.collections[0].get_facecolor()) == 3


def test_labels_and_points_must_match(part):
    with pytest.raises(sg.InvalidInputError, match="2 labels for 1 points"):
        viz.draw_points(part, [[0.0, 0.0]], labels=["a", "b"])
    with pytest.raises(sg.InvalidInputError, match=r"shape \(1, 3\)"):
        viz.draw_points(part, [[0.0, 0.0, 0.0]])
