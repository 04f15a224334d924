"""The rule that needs no last step."""

import numpy as np
import pytest

import splinegeo as sg
from splinegeo.dynamics.schedule import schedule


@pytest.mark.parametrize("per_decade", [1, 2, 5, 8, 20, 50])
def test_log_spaced_steps_are_the_first_at_or_after_the_grid(per_decade):
    due = sg.log_spaced(per_decade)
    found = [step for step in range(30_001) if due(step)]
    grid = 10 ** (np.arange(0, 4.48 * per_decade) / per_decade)
    expected = {0, *np.ceil(np.round(grid, 9)).astype(int).tolist()}
    assert found == sorted(step for step in expected if step <= 30_000)
    assert {0, 1, 10, 100, 1000, 10_000} <= set(found)


def test_decades_have_equally_many_steps():
    due = sg.log_spaced(8)
    counts = [sum(map(due, range(10**k, 10 ** (k + 1)))) for k in (2, 3, 4)]
    assert counts == [8, 8, 8]
    assert due(10**15)
    assert not due(10**15 + 1)


def test_collections_and_rules_are_taken():
    for steps in ([3, 1], {1, 3}, np.array([1, 3]), (step for step in (1, 3)), lambda step: step in (1, 3)):
        due = schedule(steps)
        assert [step for step in range(6) if due(step)] == [1, 3]
    everything = schedule(range(0, 10**15, 10))
    assert everything(10**14)
    assert not everything(10**14 + 1)


@pytest.mark.parametrize("steps", [[], [-1], [0.5], ["1"], [True]])
def test_steps_that_are_none_are_refused(steps):
    with pytest.raises(sg.InvalidInputError, match="step"):
        schedule(steps)


@pytest.mark.parametrize("per_decade", [0, -1, 2.5, True])
def test_bad_densities_are_refused(per_decade):
    with pytest.raises(sg.InvalidInputError, match="per_decade"):
        sg.log_spaced(per_decade)
