from __future__ import annotations

import numpy as np
import pytest
import torch

import splinegeo as sg
from splinegeo import viz

from .conftest import mlp


@pytest.fixture(scope="module")
def path() -> sg.Path:
    return sg.compute_path(mlp(2, 12, 12, 3), [[-2.0, -1.0], [2.0, 1.0]])


def test_lines_are_the_exact_outputs_and_ticks_the_kinks(path):
    ax = viz.draw_path(path)
    assert np.array_equal(np.stack([line.get_ydata() for line in ax.lines], axis=1), path.values)
    (ticks,) = (c for c in ax.collections if c.get_gid() == "kinks")
    assert np.array_equal([segment[0, 0] for segment in ticks.get_segments()], path.kinks)
    assert ax.get_xlim() == (0, path.length)


def test_of_many_outputs_the_largest_are_shown():
    path = sg.compute_path(mlp(2, 12, 40), [[-2.0, -1.0], [2.0, 1.0]])
    ax = viz.draw_path(path, names=[f"class {k}" for k in range(40)])
    assert [line.get_label() for line in ax.lines] == [f"class {k}" for k in sorted(set(path.classes.tolist()))]
    assert len(viz.draw_path(path, outputs=[5, 7], kinks=False).lines) == 2


def test_one_output_has_its_sign_behind_it():
    path = sg.compute_path(torch.nn.Linear(2, 1), [[-2.0, -1.0], [2.0, 1.0]])
    assert len(viz.draw_path(path).lines) == 2
    assert len(viz.draw_path(path, classes=False).lines) == 1


def test_what_does_not_exist_is_refused(path):
    with pytest.raises(sg.InvalidInputError, match="numbered from 0"):
        viz.draw_path(path, outputs=[3])
    with pytest.raises(sg.InvalidInputError, match="2 names for 3 outputs"):
        viz.draw_path(path, names="ab")
