"""Phases: found where they are, and not where they are not."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

import splinegeo as sg

NAMES = ("first_descent", "ascent", "second_descent")
SWITCHES = list(product((False, True), repeat=3))
# Where each change of the synthetic curves is half done, in decades.
CENTRES = np.array([1.2, 2.9, 4.2])


def log_steps(per_decade=14, last=5.0):
    return np.concatenate([[0], np.unique(np.logspace(0, last, int(last * per_decade)).round())]).astype(int)


def curve(steps, descent, ascent, second, base=10.0):
    """Three smooth changes by +80 %, +70 % and −60 % of the base, each on or off."""
    x = np.log10(np.maximum(steps, 0.5))
    done = 1 / (1 + np.exp(-(x[:, None] - CENTRES) / 0.09))
    return base * (1 + 0.8 * descent * (1 - done[:, 0]) + 0.7 * ascent * done[:, 1] - 0.6 * second * done[:, 2])


def noisy(y, size, seed):
    return y * (1 + size * np.random.default_rng(seed).standard_normal(len(y)))


def found(phases):
    return tuple(getattr(phases, name) is not None for name in NAMES)


def intervals(phases):
    return [getattr(phases, name) for name in NAMES]


def expected(switches):
    """A fall alone is the first descent, whenever it comes."""
    return (True, False, False) if switches == (False, False, True) else switches


@pytest.mark.parametrize("switches", SWITCHES)
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03, 0.05])
def test_every_combination_is_told_apart(switches, noise):
    steps = log_steps()
    for seed in range(5 if noise else 1):
        phases = sg.find_phases(steps, noisy(curve(steps, *switches), noise, seed))
        assert found(phases) == expected(switches), seed


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_phases_are_where_they_happen(noise):
    steps = log_steps(30)
    phases = sg.find_phases(steps, noisy(curve(steps, 1, 1, 1), noise, 0))
    for centre, (start, stop) in zip(CENTRES, intervals(phases), strict=True):
        assert centre - 0.6 < np.log10(start) < centre - 0.1
        assert centre + 0.1 < np.log10(stop) < centre + 0.6
    flat = [interval for one in intervals(phases) for interval in one]
    assert flat == sorted(flat)
    assert all(isinstance(step, int) and step in steps for step in flat)


@pytest.mark.parametrize(("n", "most"), [(10, 0.1), (20, 0.03), (40, 0.02), (100, 0.01)])
def test_noise_alone_has_no_phases(n, most):
    """Few values do not tell their own noise."""
    steps = np.unique(np.geomspace(1, 1e5, n).round())
    trials = [(seed, size) for seed in range(50) for size in (0.05, 0.3)]
    flat = np.full(len(steps), 10.0)
    wrong = [any(found(sg.find_phases(steps, noisy(flat, size, seed)))) for seed, size in trials]
    assert np.mean(wrong) <= most


@pytest.mark.parametrize("constant", [0.0, 7.0])
def test_a_constant_has_no_phases(constant):
    steps = log_steps()
    assert found(sg.find_phases(steps, np.full(len(steps), constant))) == (False, False, False)


def test_a_fall_at_constant_speed_is_one():
    steps = np.unique(np.geomspace(1, 1e5, 80).round())
    for y in (20 - 3 * np.log10(steps), 20 / steps**0.2, 20 - 0.7 * np.log10(steps) ** 2, 20 * (1.1 - steps / 1e5)):
        assert found(sg.find_phases(steps, y)) == (True, False, False)


@pytest.mark.parametrize("switches", SWITCHES)
def test_units_do_not_matter(switches):
    steps = log_steps()
    y = noisy(curve(steps, *switches), 0.02, 1)
    plain = sg.find_phases(steps, y)
    for factor in (1e-6, 0.3, 64.0, 1e9):
        assert intervals(sg.find_phases(steps, factor * y)) == intervals(plain)
    for factor in (2, 7, 1000):
        scaled = sg.find_phases(factor * steps, y)
        assert intervals(scaled) == [one and (factor * one[0], factor * one[1]) for one in intervals(plain)]
        np.testing.assert_allclose(scaled.smoothed, plain.smoothed, rtol=1e-12)


def test_order_does_not_matter():
    steps = log_steps()
    y = noisy(curve(steps, 1, 1, 1), 0.02, 1)
    plain, order = sg.find_phases(steps, y), np.random.default_rng(0).permutation(len(steps))
    mixed = sg.find_phases(steps[order], y[order])
    assert intervals(mixed) == intervals(plain)
    np.testing.assert_array_equal(mixed.smoothed, plain.smoothed)


@pytest.mark.parametrize("switches", SWITCHES)
def test_the_density_of_the_steps_does_not_matter(switches):
    """Evenly in the logarithm, evenly in number, or dense in one place: the same phases at nearly the same steps."""
    many = [
        log_steps(10),
        log_steps(100),
        np.unique(np.concatenate([log_steps(10), np.arange(0, 100_001, 200)])),
        np.unique(np.concatenate([log_steps(10), np.arange(700, 900)])),
    ]
    reference = sg.find_phases(many[1], curve(many[1], *switches))
    for steps in many:
        phases = sg.find_phases(steps, curve(steps, *switches))
        assert found(phases) == expected(switches)
        for one, other in zip(intervals(phases), intervals(reference), strict=True):
            assert one is None or np.allclose(np.log10(one), np.log10(other), atol=0.15)


def test_thresholds_do_what_they_say():
    steps = log_steps()
    y = curve(steps, 0, 1, 0)  # from 10 to 17: a rise by 0.41 of its higher end
    assert found(sg.find_phases(steps, y, threshold=0.40)) == (False, True, False)
    assert found(sg.find_phases(steps, y, threshold=0.42)) == (False, False, False)
    rough = noisy(y, 0.05, 0)
    assert found(sg.find_phases(steps, rough, n_sigma=100)) == (False, False, False)
    assert found(sg.find_phases(steps, rough, noise=5.0)) == (False, False, False)
    assert found(sg.find_phases(steps, rough, noise=0.5)) == (False, True, False)


def test_smoothing_is_a_width_in_decades():
    steps = log_steps(50)
    y = 10 + 8 * np.exp(-(np.log10(np.maximum(steps, 1) / 1000) ** 2) / (2 * 0.05**2))
    assert found(sg.find_phases(steps, y, smoothing=0.02)) == (False, True, True)
    assert found(sg.find_phases(steps, y, smoothing=1.0)) == (False, False, False)
    line = 3 + 2 * np.log10(steps[1:])
    assert np.allclose(sg.find_phases(steps[1:], line, smoothing=0.5).smoothed, line)


def smooth(steps, *levels):
    """A curve that goes from level to level, one in each decade."""
    x = np.log10(np.maximum(steps, 0.5))
    done = 1 / (1 + np.exp(-(x[:, None] - np.arange(1, len(levels))) / 0.06))
    return levels[0] + done @ np.diff(levels)


@pytest.mark.parametrize(
    ("levels", "bottom", "top", "end"),
    [
        ((20, 10, 16, 8), 2, 2, 3),
        ((20, 10, 16, 8, 12), 2, 2, 3),  # a rise behind the second descent
        ((20, 10, 16, 8, 12, 9), 2, 2, 3),  # and a lesser fall
        ((20, 10, 14, 12, 17, 9), 2, 4, 5),  # a dip on the way up
        ((20, 10, 14, 9, 17, 6), 4, 4, 5),  # a deeper one: the ascent starts there
    ],
)
def test_the_largest_fall_behind_the_first_rise_is_the_second_descent(levels, bottom, top, end):
    steps = log_steps(30, last=len(levels))
    phases = sg.find_phases(steps, smooth(steps, *levels))
    assert found(phases) == (True, True, True)
    starts = [np.log10(one[0]) for one in intervals(phases)]
    stops = [np.log10(one[1]) for one in intervals(phases)]
    assert np.allclose(starts, [1, bottom, end], atol=0.5)
    assert np.allclose(stops, [1, top, end], atol=0.5)


def test_noise_is_estimated_whatever_the_curve():
    steps = log_steps(40)
    for switches in SWITCHES:
        estimates = []
        for seed in range(6):
            y = curve(steps, *switches) + 0.3 * np.random.default_rng(seed).standard_normal(len(steps))
            estimates.append(np.median(sg.find_phases(steps, y).noise))
        assert 0.25 < np.mean(estimates) < 0.45


def test_the_standard_error_is_that_of_the_smoothed_curve():
    steps = log_steps()
    noise = np.random.default_rng(0).standard_normal((200, len(steps)))
    runs = [sg.find_phases(steps, 50 + one, noise=1.0) for one in noise]
    spread = np.std([run.smoothed for run in runs], axis=0)
    assert np.allclose(spread, runs[0].error, rtol=0.2)


def test_six_published_values_need_a_known_noise():
    """784-200-200-200-10 on 1 000 digits, r = 0.5: flat, up to 17.6, then down to 10.9."""
    steps = [1291, 12915, 16681, 35938, 59948, 77426]
    y = [12.4, 12.3, 17.6, 13.4, 12.0, 10.9]
    assert found(sg.find_phases(steps, y)) == (False, False, False)
    phases = sg.find_phases(steps, y, noise=0.3)
    assert phases.first_descent is None
    assert phases.ascent == (12915, 16681)
    assert phases.second_descent == (16681, 77426)


@pytest.fixture(scope="module")
def recorded():
    """784-200-200-200-10 on 1 000 digits, AdamW 1e-3, weight decay 0.01, batch 200: 90 steps until 70 795.

    300 points of each kind, dim 25, rng 0; robust accuracy on 300 test digits, 10 steps.
    """
    return sg.load_table(Path(__file__).with_name("recorded_run.csv"))


@pytest.mark.parametrize("probe", ["train", "test", "random"])
def test_a_recorded_run_has_all_phases(recorded, probe):
    steps, value, _, _ = sg.select_series(recorded, "local_complexity", probe, 0.5)
    for which in (slice(None), slice(0, None, 2), slice(1, None, 2), slice(None, None, 3)):
        phases = sg.find_phases(steps[which], value[which])
        assert found(phases) == (True, True, True)
        (_, landed), (rising, top), (falling, _) = intervals(phases)
        assert 10 <= landed <= rising <= 50
        assert 15_000 <= top <= falling <= 40_000
    before = steps < 5000
    assert found(sg.find_phases(steps[before], value[before])) == (True, True, False)


def test_in_the_recorded_second_descent_accuracy_under_pgd_rises_while_test_accuracy_rests(recorded):
    steps, value, _, _ = sg.select_series(recorded, "local_complexity", "train", 0.5)
    start, stop = sg.find_phases(steps, value).second_descent
    gain = {}
    for name in ("test_accuracy", "robust_accuracy_0.06"):
        at, accuracy, _, _ = sg.select_series(recorded, name)
        gain[name] = accuracy[at >= stop].mean() - accuracy[(at > 100) & (at <= start)].mean()
    assert gain["test_accuracy"] < 0.02 < 0.08 < gain["robust_accuracy_0.06"]


def test_results_are_frozen_and_read_only():
    steps = log_steps()
    phases = sg.find_phases(steps, curve(steps, 1, 1, 1))
    for array in (phases.steps, phases.smoothed, phases.error, phases.noise):
        assert len(array) == len(steps)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        phases.ascent = None
    steps[0] = 5  # the caller's array is the caller's
    assert phases.steps[0] == 0


@pytest.mark.parametrize(
    ("steps", "values", "message"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], "at least 5"),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4], "one length"),
        ([1, 2, 3, 4, 4], [1, 2, 3, 4, 5], "once"),
        ([-1, 2, 3, 4, 5], [1, 2, 3, 4, 5], "negative"),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, np.nan], "NaN"),
        ([1, 2, 3, 4, np.inf], [1, 2, 3, 4, 5], "NaN or infinity"),
    ],
)
def test_bad_curves_are_refused(steps, values, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.find_phases(steps, values)


@pytest.mark.parametrize("name", ["threshold", "smoothing", "n_sigma", "noise"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_bad_parameters_are_refused(name, value):
    with pytest.raises(sg.InvalidInputError, match=name):
        sg.find_phases([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], **{name: value})


def ratios(values, half=0.3):
    value = np.array(values, dtype=float)
    return np.stack([value, value - half, value + half], axis=1)


STEPS = np.array([0, 1, 10, 100, 1000, 10_000])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            [0.0, 0.1, 0.2, 1.0, 3.0, 3.1],
            (10, 1000),
        ),  # from where there is no excess to where nearly all of it is there
        ([0.0, 1.0, 0.2, 1.0, 3.0, 5.0], (10, 10_000)),  # an excess that goes away does not count
        ([1.0, 2.0, 3.0, 3.0, 3.0, 3.0], (0, 10)),
        ([0.0, 0.1, 0.2, 1.0, 3.0, 0.1], None),  # gone again at the end
        ([0.0, -1.0, -2.0, -2.0, -2.0, -2.0], None),
        ([np.nan, np.nan, 0.1, 0.2, 2.0, 2.0], (100, 1000)),
    ],
)
def test_migration_is_read_from_the_ratio_alone(values, expected):
    """Whatever local complexity does: here it falls for a second time in all cases."""
    fall = np.array([9.0, 5.0, 5.0, 8.0, 8.0, 2.0])
    phases = sg.find_phases(STEPS, fall, noise=0.01, smoothing=0.01, log2_ratio=ratios(values))
    assert phases.migration == expected
    order = np.random.default_rng(0).permutation(len(STEPS))
    mixed = sg.find_phases(STEPS[order], fall[order], noise=0.01, smoothing=0.01, log2_ratio=ratios(values)[order])
    assert mixed.migration == expected


def test_a_curve_alone_shows_no_migration():
    steps = np.unique(np.geomspace(1, 1e5, 60).round())
    phases = sg.find_phases(steps, curve(steps, 1, 1, 1))
    assert phases.second_descent is not None
    assert phases.migration is None
    with pytest.raises(sg.InvalidInputError, match="log2_ratio must be a ratio and two ends for each of 6 steps"):
        sg.find_phases(STEPS, STEPS, log2_ratio=np.zeros(6))
