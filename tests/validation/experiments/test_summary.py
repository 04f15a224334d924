"""The figures of a training, on curves whose figures are known."""

import numpy as np
import pytest
from splinegeo.validation.experiments.run import run_recipe
from splinegeo.validation.experiments.summary import find_rise, report

import splinegeo as sg


def series(values):
    nothing = np.full(len(values), np.nan)
    return sg.Series(np.arange(len(values)) * 10, np.array(values), nothing, nothing)


@pytest.mark.parametrize(
    ("values", "start", "low", "low_step", "half_step"),
    [
        ([0.9, 0.2, 0.1, 0.3, 0.6, 0.7], 0, 0.1, 20, 40),
        ([0.0, 0.2, 0.1, 0.3, 0.6, 0.7], 10, 0.1, 20, 40),  # what was before the start does not count
        ([0.1, 0.5, 0.1, 0.5, 0.5], 0, 0.1, 0, 30),  # it has to stay above the middle
        ([0.5, 0.4, 0.3, 0.2, 0.2], 0, 0.2, 30, None),
        ([0.5, 0.5, 0.52, 0.53, 0.54], 0, 0.5, 0, None),  # too little to be a rise
    ],
)
def test_rises(values, start, low, low_step, half_step):
    found = find_rise(series(values), start)
    assert (found.low, found.low_step, found.final, found.half_step) == (low, low_step, values[-1], half_step)


def test_the_report_has_a_row_for_every_variant_seed_and_radius(recipe, tmp_path):
    summary = run_recipe(recipe, tmp_path, seeds=(0, 1), progress=False)
    text = report(recipe, summary)
    assert (tmp_path / "summary.md").read_text() == text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| plain")]
    assert len(rows) == 2 + 2 * len(recipe.radii) + 2
    assert f"{summary['variants']['plain']['seed 1']['test_accuracy']:.3f}" in " ".join(rows[1])
