"""First descent, ascent and second descent of local complexity; region migration, from a statistic of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splinegeo.errors import InvalidInputError

from ..given import real_array
from .smoothing import local_linear, noise_level
from .swings import Strength, longest_halt, trimmed, turning_points

Interval = tuple[float, float]
# The same in indices, and those of the three phases of a curve.
Swing = tuple[int, int] | None
Swings = tuple[Swing, Swing, Swing]

# A phase is said to begin and end where this share of its change is still missing.
_MARGIN = 0.05
# A fall is two if, for at least this share of its duration, it does at most that share of its change.
_HALT_DURATION, _HALT_CHANGE = 1 / 3, 0.1
_FEWEST = 5


@dataclass(frozen=True)
class Phases:
    """The phases of a curve of local complexity, and what they were read from.

    Attributes
    ----------
    first_descent, ascent, second_descent : (start, stop) or None
        Steps between which each phase of the curve happens; None where there is no such phase.
    migration : (start, stop) or None
        Steps between which regions migrate to the decision boundary. A curve of local complexity cannot tell: None
        unless `find_phases` is given the log₂ ratio of a migration profile.
    steps : ndarray, shape (n,)
        Ascending.
    smoothed : ndarray, shape (n,)
        The curve in which the phases are looked for.
    error : ndarray, shape (n,)
        Standard error of `smoothed` that the noise causes.
    noise : ndarray, shape (n,)
        Standard deviation of the noise that a single value is taken to have.
    """

    first_descent: Interval | None
    ascent: Interval | None
    second_descent: Interval | None
    migration: Interval | None
    steps: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    error: NDArray[np.float64]
    noise: NDArray[np.float64]

    def __post_init__(self) -> None:
        for array in (self.steps, self.smoothed, self.error, self.noise):
            array.setflags(write=False)


def find_phases(
    steps: ArrayLike,
    complexity: ArrayLike,
    *,
    threshold: float = 0.1,
    smoothing: float = 0.1,
    n_sigma: float = 6.0,
    noise: float | None = None,
    log2_ratio: ArrayLike | None = None,
) -> Phases:
    """Find first descent, ascent and second descent in a curve of local complexity over the steps of a training.

    A second descent says that zero sets have left the data, not where they went; with the migration profile's ratio of
    boundary to data beside the curve, the migration is found too.

    1. *Smoothing.* Local linear regression over log₁₀(step); step 0 stands as far before the first positive step as
       the second stands behind it.
    2. *Noise.* Its standard deviation is estimated from what lines through neighbouring values miss, as constant and as
       proportional to the curve; at each step the larger one holds.
    3. *Swings.* A rise or fall of the smoothed curve is significant if it is larger than `threshold` times its higher
       end *and* than `n_sigma` standard errors of the difference. All other wiggles are removed, smallest first.
    4. *Names.* The swings alternate. If the first is a fall, it is the first descent: local complexity falls from its
       value at initialisation. The second descent is the largest fall behind the first rise. The ascent leads to its
       top, from the lowest point since the first descent; without a second descent it is the first rise. Without any
       rise, a fall that halts (for a third of its duration in decades it does a tenth of its change or less, with
       significant falls before and after) is a first and a second descent. Other swings have no name.
    5. *Ends.* A phase lasts from the last step at which no more than 5 % of its change has happened to the first at
       which no more than 5 % is left (or two standard errors, if that is more). Between phases there may be gaps
       where nothing happens.

    A single fall is always called first descent: that it comes late does not tell it from one that started at
    initialisation, since on a logarithmic axis training begins with steps at which nothing happens yet.

    Multiplying the curve or the steps by a positive number changes nothing but the units of the result. No step number
    is built in.

    Parameters
    ----------
    steps : array, shape (n,)
        Distinct, not negative, in any order. At least five.
    complexity : array, shape (n,)
        Mean local complexity at these steps.
    threshold : float
        Least relative size of a phase, in (0, 1).
    smoothing : float
        Standard deviation of the weights, in decades of steps.
    n_sigma : float
        Least size of a phase in standard errors.
    noise : float, optional
        Standard deviation of a single value where it is known, instead of the estimate. Fewer than about 15 values
        do not tell noise from a phase that lasts two of them.
    log2_ratio : array, shape (n, 3), optional
        At the same steps, the log₂ of local complexity at the decision boundary over that at the data and the ends of
        its interval: `MigrationProfile.log2_ratio_interval`, or what a tracker records as ``migration_log2_ratio``.
        Rows with NaN are as if the interval reached down to 0.

    Raises
    ------
    InvalidInputError
        Curves that are too short, repeat a step, or hold NaN; parameters out of their range.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024.

    Examples
    --------
    >>> steps = np.unique(np.geomspace(1, 100_000, 80).round())
    >>> bump = lambda centre: np.exp(-(np.log10(steps / centre) ** 2) / 0.1)
    >>> phases = find_phases(steps, 10 + 5 * bump(1) + 8 * bump(5000))
    >>> phases.first_descent, phases.ascent, phases.second_descent, phases.migration
    ((1.0, 4.0), (1091.0, 4687.0), (5422.0, 20128.0), None)
    >>> find_phases(steps, np.full(len(steps), 3.0)).second_descent is None
    True
    """
    _check_parameters(threshold, smoothing, n_sigma, noise)
    given, y = _checked_curve(steps, complexity)
    x = _log_steps(given)
    smoothed, unit_error = local_linear(x, y, smoothing)
    sigma = noise_level(x, y, smoothed) if noise is None else np.full(len(x), float(noise))
    error = sigma * unit_error

    def strength(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        higher = np.maximum(np.abs(smoothed[a]), np.abs(smoothed[b]))
        needed = np.maximum(threshold * higher, n_sigma * np.hypot(error[a], error[b]))
        size = np.abs(smoothed[b] - smoothed[a])
        return np.divide(size, needed, out=np.zeros_like(size), where=needed > 0)

    swings = _named(smoothed, turning_points(smoothed, strength))
    if swings[0] is not None and swings[1] is None:
        swings = _split(smoothed, x, swings[0], strength)
    first, ascent, second = (_interval(given, smoothed, error, swing) for swing in swings)
    migration = None if log2_ratio is None else _migration(np.asarray(steps), log2_ratio)
    return Phases(first, ascent, second, migration, given, smoothed, error, sigma)


def _named(curve: NDArray[np.float64], turns: list[int]) -> Swings:
    """First descent, ascent and second descent among the swings between turning points."""
    if not turns:
        return None, None, None
    falls_first = curve[turns[1]] < curve[turns[0]]
    first = (turns[0], turns[1]) if falls_first else None
    rest = turns[1:] if falls_first else turns  # low, high, low, high …
    lows, highs = rest[::2], rest[1::2]
    if not highs:
        return first, None, None
    falls = [*zip(highs, lows[1:], strict=False)]
    second = max(falls, key=lambda fall: curve[fall[0]] - curve[fall[1]]) if falls else None
    top = highs[0] if second is None else second[0]
    bottom = min((low for low in lows if low < top), key=lambda low: curve[low])
    return first, (bottom, top), second


def _split(curve: NDArray[np.float64], x: NDArray[np.float64], fall: tuple[int, int], strength: Strength) -> Swings:
    """A fall without a rise behind it: two, if it halts for long enough."""
    start, stop = fall
    before, after = longest_halt(curve, x, start, stop, strength, _HALT_CHANGE)
    begin, end = trimmed(curve, start, stop, _MARGIN * (curve[start] - curve[stop]))
    if x[after] - x[before] < _HALT_DURATION * (x[end] - x[begin]):
        return fall, None, None
    return (start, before), None, (after, stop)


def _interval(steps: NDArray, curve: NDArray[np.float64], error: NDArray[np.float64], swing: Swing) -> Interval | None:
    """The steps between which a swing happens."""
    if swing is None:
        return None
    a, b = swing
    margin = max(_MARGIN * abs(curve[b] - curve[a]), 2 * max(error[a], error[b]))
    start, stop = trimmed(curve, a, b, margin)
    return steps[start].item(), steps[stop].item()


def _migration(steps: NDArray, log2_ratio: ArrayLike) -> Interval | None:
    """From the last step without an excess at the boundary to where nearly all of the excess is there."""
    table = real_array(log2_ratio, "log2_ratio")
    if table.shape != (len(steps), 3):
        raise InvalidInputError(
            f"log2_ratio must be a ratio and two ends for each of {len(steps)} steps, not {table.shape}"
        )
    order = np.argsort(steps, kind="stable")
    steps, (ratio, low, _) = steps[order].astype(np.float64), table[order].T
    absent = np.flatnonzero(~(low > 0))
    if len(absent) and absent[-1] == len(steps) - 1:
        return None
    start = int(absent[-1]) if len(absent) else 0
    behind = ratio[start + 1 :] if len(absent) else ratio
    first = len(ratio) - len(behind)
    stop = first + int((behind >= (1 - _MARGIN) * behind.max()).argmax())
    return steps[start].item(), steps[stop].item()


def _log_steps(steps: NDArray) -> NDArray[np.float64]:
    """Base-10 logarithms; for step 0, as far before the first as the second is behind it."""
    x = np.log10(np.where(steps > 0, steps, 1))
    if steps[0] == 0:
        x[0] = 2 * x[1] - x[2]
    return x


def _checked_curve(steps: ArrayLike, complexity: ArrayLike) -> tuple[NDArray, NDArray[np.float64]]:
    """Both arrays in ascending order of the steps, which keep their kind."""
    s, y = np.asarray(steps), real_array(complexity, "complexity")
    if s.ndim != 1 or s.shape != y.shape or len(s) < _FEWEST:
        raise InvalidInputError(
            f"steps {s.shape} and complexity {y.shape} must be curves of one length, at least {_FEWEST}"
        )
    if not (np.isfinite(s).all() and np.isfinite(y).all()):
        raise InvalidInputError("the curve contains NaN or infinity")
    order = np.argsort(s, kind="stable")
    s, y = s[order], y[order]
    if s[0] < 0 or (np.diff(s) == 0).any():
        raise InvalidInputError("steps must not be negative and each may come once only")
    return s, y


def _check_parameters(threshold: float, smoothing: float, n_sigma: float, noise: float | None) -> None:
    if not 0 < threshold < 1:
        raise InvalidInputError(f"threshold must lie between 0 and 1, not {threshold!r}")
    if not 0 < smoothing < np.inf:
        raise InvalidInputError(f"smoothing must be a positive number of decades, not {smoothing!r}")
    if not 0 < n_sigma < np.inf:
        raise InvalidInputError(f"n_sigma must be positive, not {n_sigma!r}")
    if noise is not None and not 0 <= noise < np.inf:
        raise InvalidInputError(f"noise must not be negative, not {noise!r}")
