"""The certificate: close decisions are counted, placed, and given to the slice they happened in."""

import numpy as np
import torch

import splinegeo as sg
from splinegeo.testing import concurrent_lines, generic_lines, line_network

NEARLY = [(0.1, 0.3, -0.4), (0.7, 0.2, -0.9), (0.3, 0.8, -1.1)]  # meet in (1, 1) but for rounding


def certificate(lines, low=-2, high=2):
    return sg.compute_partition(line_network(lines), sg.Slice.box((low, high), (low, high))).certificate


def test_generic_lines_leave_a_clean_certificate():
    clean = certificate(generic_lines(8, np.random.default_rng(0)))
    assert clean.is_generic
    assert clean.n_snapped == len(clean.close) == 0
    assert clean.smallest_margin > 1e3


def test_concurrent_lines_are_merged_where_they_meet():
    found = certificate(NEARLY, low=-1.5)
    assert not found.is_generic
    assert found.n_merged == found.close["merged"].sum() > 0
    np.testing.assert_allclose(found.close["u"], 1.0, atol=1e-9)
    assert set(found.close["unit"].tolist()) <= {0, 1, 2}
    assert set(found.close["layer"].tolist()) == {0}


def test_exact_zeros_are_zero_decisions_but_not_snapped():
    found = certificate([(1, 1, 0), (1, 0, -2)])  # through two corners of the window, and along one side
    assert found.n_zero >= 4
    assert found.n_snapped == 0
    assert not found.is_generic


def test_values_within_rounding_of_zero_are_snapped_and_placed():
    found = certificate([(0.1, 0.2, 0.6 - 1e-15), (1, 0, 0.3)])  # the corner (-2, -2) is off the line by 1e-15
    assert found.n_snapped == 1
    np.testing.assert_allclose(found.close["u"][0], [-2, -2])
    assert found.close["unit"][0] == 0


def test_margins_shrink_as_a_corner_nears_a_line():
    margins = [certificate([(1, 2, 6 - gap)]).smallest_margin for gap in (1e-2, 1e-5, 1e-8)]
    assert margins == sorted(margins, reverse=True)
    assert 1 <= margins[-1] < 1e-5 * margins[0] * 1.1


def test_each_slice_has_its_own_close_decisions():
    model = line_network(NEARLY)
    near, far = sg.compute_partitions(model, [sg.Slice.box((0, 2), (0, 2)), sg.Slice.box((3, 4), (3, 4))])
    assert near.certificate.n_merged > 0 == far.certificate.n_merged


def test_exactly_concurrent_lines_are_merged_too():
    assert certificate(concurrent_lines(5)).n_merged > 0


def test_each_slice_counts_its_own_zeros():
    """Two lines through the corners of one window, none through those of the other."""
    layer = torch.nn.Linear(2, 2)
    layer.load_state_dict({"weight": torch.tensor([[1.0, 1.0], [1.0, -1.0]]), "bias": torch.zeros(2)})
    model = torch.nn.Sequential(layer, torch.nn.ReLU())
    through, beside = sg.Slice.box((-1, 1), (-1, 1)), sg.Slice.box((-1.3, 1), (-1.1, 1.2))
    certificates = [part.certificate for part in sg.compute_partitions(model, [through, beside])]
    assert [c.n_zero for c in certificates] == [4, 0]
    assert [c.is_generic for c in certificates] == [False, True]
