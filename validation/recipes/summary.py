"""The figures that a training is remembered by: where accuracies end, when they rise, the phases of complexity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import splinegeo as sg

from .measuring import PROBES, complexity_curve, curve, robust_name
from .recipe import Recipe

# Below this, the difference between an accuracy's lowest and its last value counts as no rise.
LEAST_RISE = 0.05
INTERPOLATED = 0.999
SETTLED = 0.98


@dataclass(frozen=True)
class Rise:
    """How an accuracy rises after the training error has vanished.

    Attributes
    ----------
    low, low_step : its least value from then on, and where
    final : its last value
    half_step : first recorded step behind `low_step` from which on it stays above the middle between `low` and
        `final`; None if it rises by less than 0.05
    """

    low: float
    low_step: int
    final: float
    half_step: int | None


def find_rise(series: sg.Series, start: int) -> Rise:
    """The rise of a curve behind the step `start`.

    Examples
    --------
    >>> import numpy as np
    >>> nothing = np.full(5, np.nan)
    >>> series = sg.Series(np.array([0, 1, 10, 100, 1000]), np.array([0.1, 0.5, 0.2, 0.3, 0.8]), nothing, nothing)
    >>> find_rise(series, 1)
    Rise(low=0.2, low_step=10, final=0.8, half_step=1000)
    """
    behind = series.steps >= start
    steps, value = series.steps[behind], series.value[behind]
    lowest = int(value.argmin())
    low, final = float(value[lowest]), float(value[-1])
    half = None
    if final - low >= LEAST_RISE:
        half = _since(steps[lowest:], value[lowest:] >= (low + final) / 2)
    return Rise(low, int(steps[lowest]), final, half)


def _since(steps: np.ndarray, holds: np.ndarray) -> int | None:
    """The first step from which on something holds to the end."""
    if not holds[-1]:
        return None
    fails = np.flatnonzero(~holds)
    return int(steps[fails[-1] + 1 if len(fails) else 0])


def summarise(table: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """The figures of one training, from its table."""
    train, test = curve(table, "train_accuracy"), curve(table, "test_accuracy")
    reached = np.flatnonzero(train.value >= INTERPOLATED)
    interpolation = int(train.steps[reached[0]]) if len(reached) else None
    start = 0 if interpolation is None else interpolation
    return {
        "last_step": int(train.steps[-1]),
        "interpolation": interpolation,
        "train_accuracy": float(train.value[-1]),
        "test_accuracy": float(test.value[-1]),
        "test_settled": _since(test.steps, test.value >= SETTLED * test.value[-1]),
        "robust_accuracy": {
            f"{eps:g}": asdict(find_rise(curve(table, robust_name(eps)), start)) for eps in recipe.budgets
        },
        "local_complexity": {f"{radius:g}": _complexity(table, radius, start) for radius in recipe.radii},
    }


def _complexity(table: np.ndarray, radius: float, start: int) -> dict[str, Any]:
    """Values at the first and the last step and at the highest one from `start` on; phases around training points."""
    curves = {probe: complexity_curve(table, probe, radius) for probe in PROBES}
    phases = sg.find_phases(curves["train"].steps, curves["train"].value)
    peaks = {probe: _peak(found, start) for probe, found in curves.items()}
    return {
        "first": {probe: float(found.value[0]) for probe, found in curves.items()},
        "peak": {probe: value for probe, (_, value) in peaks.items()},
        "peak_step": {probe: step for probe, (step, _) in peaks.items()},
        "final": {probe: float(found.value[-1]) for probe, found in curves.items()},
        "phases": {name: _interval(getattr(phases, name)) for name in ("first_descent", "ascent", "migration")},
    }


def _peak(series: sg.Series, start: int) -> tuple[int, float]:
    behind = series.steps >= start
    place = int(series.value[behind].argmax())
    return int(series.steps[behind][place]), float(series.value[behind][place])


def _interval(phase: Any) -> list[int] | None:
    return None if phase is None else [int(end) for end in phase]
