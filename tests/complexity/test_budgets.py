"""Every verb takes batch_size=, max_memory= and progress=; none of them changes a result."""

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.complexity import exact

torch.manual_seed(0)
MODEL = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 12), nn.ReLU(), nn.Linear(12, 2))
POINTS = torch.randn(13, 1, 6, 6, generator=torch.Generator().manual_seed(1))
VERBS = {
    "estimate": lambda **k: sg.local_complexity(MODEL, POINTS, radius=0.4, dim=2, **k).counts,
    "exact": lambda **k: sg.exact_local_complexity(MODEL, POINTS, radius=0.4, **k).counts,
    "lower": lambda **k: sg.local_complexity_bounds(MODEL, POINTS, radius=0.4, dim=2, **k).lower,
    "upper": lambda **k: sg.local_complexity_bounds(MODEL, POINTS, radius=0.4, dim=2, **k).upper,
    "deformation": lambda **k: sg.neighborhood_deformation(MODEL, POINTS, radius=0.4, dim=2, **k).diameter,
    "map": lambda **k: sg.complexity_map(MODEL, sg.Slice.around(POINTS[0], 1.0), 6, 0.4, 2, **k).image,
}


@pytest.mark.parametrize("verb", VERBS)
def test_no_result_depends_on_them(verb, capsys):
    whole = VERBS[verb]()
    for options in ({"batch_size": 1}, {"batch_size": 5}, {"max_memory": 1e6}, {"max_memory": 4e6}):
        np.testing.assert_allclose(VERBS[verb](**options), whole, rtol=1e-9)
    assert capsys.readouterr().err == ""
    VERBS[verb](progress=True)
    assert "point" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_what_cannot_be_kept_is_refused(verb):
    for budget in (0, -5, "1e6", float("nan"), float("inf"), True):
        with pytest.raises(sg.InvalidInputError, match="max_memory is a number of bytes"):
            VERBS[verb](max_memory=budget)
    for size in (0, 1.5, "3", True):
        with pytest.raises(sg.InvalidInputError, match="batch_size must be a positive integer"):
            VERBS[verb](batch_size=size)
    with pytest.raises(sg.MemoryBudgetError, match="bytes"):
        VERBS[verb](max_memory=100)


def test_diamonds_are_taken_together_as_far_as_memory_goes(monkeypatch):
    sizes = []

    def refine(program, domains, *args, **options):
        sizes.append(len(domains))
        return refine_slices(program, domains, *args, **options)

    refine_slices = exact.refine_slices
    monkeypatch.setattr(exact, "refine_slices", refine)
    VERBS["exact"]()
    assert sizes == [1, 4, 8], "the first says how many vertices to expect; then no more than four times as many"
    sizes.clear()
    VERBS["exact"](max_memory=60_000)
    assert max(sizes) <= 4
