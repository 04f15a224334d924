from __future__ import annotations

import numpy as np
import torch

import splinegeo as sg
from splinegeo import viz


def test_the_drawn_boundary_is_the_exact_one(part):
    ax = viz.draw_decision_boundary(part)
    (lines,) = ax.collections
    assert lines.get_gid() == "boundary"
    segments = lines.get_paths()[0].vertices.reshape(-1, 2, 2)
    assert np.array_equal(segments, sg.decision_boundary(part).segments)


def test_nothing_is_drawn_where_one_class_wins_everywhere():
    model = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(model.weight)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([0.0, 1.0]))
    part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    assert not viz.draw_decision_boundary(part).collections


def test_style_can_be_changed(part):
    (lines,) = viz.draw_decision_boundary(part, color="red", linewidth=3, casing=None, zorder=9).collections
    assert lines.get_zorder() == 9
    assert lines.get_linewidths()[0] == 3
    assert not lines.get_path_effects()
