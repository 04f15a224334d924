"""Whatever holds real numbers may be given; what does not, or cannot be held by float64, is refused in a sentence."""

import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.dynamics.schedule import log_spaced
from splinegeo.testing import concurrent_lines, line_network

HUGE = 10**400
PART = sg.compute_partition(line_network(concurrent_lines(3)), sg.Slice.box((-1, 1), (-1, 1)))
MODEL = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3))
POINTS = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
BALL = {"eps": 0.1, "n_steps": 2, "bounds": (-9, 9)}


def record(points=POINTS, step=0, loss=0.0):
    sg.LocalComplexityTracker(MODEL, {"x": points}, dim=2).record(step, loss=loss)


# What takes an array of slice coordinates or inputs (3, 2).
TAKES_POINTS = {
    "through": lambda x: sg.Slice.through(*x),
    "around": lambda x: sg.Slice.around(x[0], 1.0),
    "polygon": sg.Slice.polygon,
    "embed": PART.domain.embed,
    "project": PART.domain.project,
    "locate": PART.locate,
    "evaluate": PART.evaluate,
    "path": lambda x: sg.compute_path(MODEL, x),
    "edge density": lambda x: sg.edge_density(PART, x),
    "distance": lambda x: sg.distance_to_edges(PART, x),
    "local complexity": lambda x: sg.local_complexity(MODEL, x, dim=2, radius=0.1),
    "exact": lambda x: sg.exact_local_complexity(MODEL, x, radius=0.1),
    "bounds": lambda x: sg.local_complexity_bounds(MODEL, x, dim=2, radius=0.1),
    "deformation": lambda x: sg.neighborhood_deformation(MODEL, x, dim=2, radius=0.1),
    "attack": lambda x: sg.pgd_attack(MODEL, x, [0, 1, 2], **BALL),
    "robustness": lambda x: sg.robust_accuracy(MODEL, x, [0, 1, 2], **BALL),
    "tracker": record,
}


@pytest.mark.parametrize("take", TAKES_POINTS.values(), ids=TAKES_POINTS)
def test_points_of_any_make(take):
    """With a graph behind them, in bfloat16, as a list of tensors or of numbers."""
    graph = POINTS.clone().requires_grad_()
    for points in (graph, POINTS.double(), POINTS.bfloat16(), list(graph), POINTS.tolist(), POINTS.numpy()):
        take(points)
    assert graph.grad is None


@pytest.mark.parametrize("take", TAKES_POINTS.values(), ids=TAKES_POINTS)
def test_complex_points_are_not_cut_in_half(take):
    for points in (POINTS.to(torch.complex64), POINTS.numpy() + 0j, [[1j, 0], [0, 1], [1, 1]]):
        with pytest.raises(sg.InvalidInputError, match="must be real numbers, not complex"):
            take(points)


@pytest.mark.parametrize("take", TAKES_POINTS.values(), ids=TAKES_POINTS)
def test_what_are_no_numbers_is_refused(take):
    with pytest.raises(sg.InvalidInputError, match="real numbers"):
        take([["a", "b"], ["c", "d"], ["e", "f"]])
    with pytest.raises(sg.InvalidInputError, match="too large for float64"):
        take([[HUGE, 0], [0, 1], [1, 1]])


ABSURD = {
    "radius": lambda: sg.local_complexity(MODEL, POINTS, dim=2, radius=HUGE),
    "dim": lambda: sg.local_complexity(MODEL, POINTS, dim=HUGE, radius=0.1),
    "frames": lambda: sg.random_frames(10**15, 100, 4),
    "features": lambda: sg.random_frames(2, HUGE, 4),
    "resolution": lambda: sg.complexity_map(MODEL, PART.domain, 10**9, radius=0.1, dim=2),
    "larger resolution": lambda: sg.complexity_map(MODEL, PART.domain, HUGE, radius=0.1, dim=2),
    "half-width": lambda: sg.Slice.around([0.0, 0.0], HUGE),
    "margin": lambda: sg.Slice.through(*POINTS, margin=HUGE),
    "zoom": lambda: PART.domain.zoom(HUGE),
    "window": lambda: sg.Slice.box((-1e308, 1e308), (-1, 1)),
    "eps": lambda: sg.robust_accuracy(MODEL, POINTS, [0, 1, 2], eps=HUGE, n_steps=2),
    "admissible": lambda: sg.robust_accuracy(MODEL, POINTS, [0, 1, 2], eps=1, n_steps=2, bounds=(0, HUGE)),
    "labels": lambda: sg.robust_accuracy(MODEL, POINTS, [0, 1, HUGE], **BALL),
    "step": lambda: record(step=2**63),
    "loss": lambda: record(loss=HUGE),
    "distances": lambda: sg.edge_density(PART, distances=[0, HUGE]),
}


@pytest.mark.parametrize("call", ABSURD.values(), ids=ABSURD)
def test_absurd_sizes_are_refused(call):
    with pytest.raises((sg.InvalidInputError, sg.DegenerateSliceError)):
        call()


@pytest.mark.parametrize("per_decade", [700, 10**5, HUGE])
def test_a_rule_that_measures_often_takes_no_longer(per_decade):
    due = log_spaced(per_decade)
    assert all(due(step) for step in range(300))


def test_a_rule_is_what_it_says_for_large_steps():
    due = log_spaced(3)
    assert all(due(10**k) for k in range(18))
    for k in (20, 31, 50):  # the first step at or after 10^(k/3)
        root = round(10 ** (k / 3))
        first = next(s for s in range(root - 999, root + 999) if s**3 >= 10**k)
        assert [due(first - 1), due(first), due(first + 1)] == [False, True, False]
