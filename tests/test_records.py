"""Results compare with one bool, and show themselves in one line."""

import numpy as np
import pytest
import torch
from splinegeo.validation import mlp

import splinegeo as sg


@pytest.fixture(scope="module")
def parts():
    model, domain = mlp(2, 12, 12, 3), sg.Slice.box((-2, 2), (-2, 2))
    return [sg.compute_partition(model, d) for d in (domain, domain, domain.zoom(1.5))]


QUESTIONS = {
    "partition": lambda part: part,
    "certificate": lambda part: part.certificate,
    "check": lambda part: part.check(),
    "boundary": sg.decision_boundary,
    "density": sg.edge_density,
    "betti": sg.betti_numbers,
    "activity": sg.unit_activity,
    "linear": sg.linear_regions,
    "migration": lambda part: sg.find_migration(part.slope_norm()[:6].reshape(3, 2)),
    "path": lambda part: sg.compute_path(mlp(2, 9, 3), part.domain.window[:2]),
    "complexity": lambda part: sg.local_complexity(
        mlp(2, 9, 3), part.domain.embed(part.domain.window), radius=0.1, dim=2
    ),
    "deformation": lambda part: sg.neighborhood_deformation(
        mlp(2, 9, 3), part.domain.embed(part.domain.window), radius=0.1, dim=2
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_equal_results_are_equal_and_others_are_not(parts, name):
    first, again, other = (QUESTIONS[name](part) for part in parts)
    assert (first == again) is True
    assert (first != again) is False
    assert hash(first) == hash(again)
    assert (first == "something else") is False
    if name not in ("check", "certificate", "betti", "activity"):
        assert (first == other) is False


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_result_shows_itself_in_one_short_line(parts, name):
    text = repr(QUESTIONS[name](parts[0]))
    assert "\n" not in text
    assert len(text) < 300
    assert "array(" not in text


def test_a_loaded_partition_equals_the_saved_one(parts, tmp_path):
    parts[0].save(tmp_path / "part.npz")
    loaded = sg.Partition.load(tmp_path / "part.npz")
    assert loaded == parts[0]
    assert loaded != parts[2]


def test_nan_is_equal_to_itself():
    lonely = sg.compute_partition(torch.nn.Linear(2, 1), sg.Slice.box((9, 10), (9, 10)))
    assert np.isnan(sg.edge_density(lonely).density).any()
    assert sg.edge_density(lonely) == sg.edge_density(lonely)
