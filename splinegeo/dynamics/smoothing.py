"""A noisy curve, smoothed, and how noisy it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Median of |z| for a standard normal z.
_MEDIAN_NORMAL = 0.6744897501960817


def local_linear(
    x: NDArray[np.float64], y: NDArray[np.float64], bandwidth: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local linear regression with Gaussian weights: the fit at each x, and the standard error for noise of size 1.

    A line is fitted around each x, so neither the density of the points nor the two ends bend the curve. x (n,) is
    ascending, `bandwidth` is the standard deviation of the weights; the cost is n².
    """
    fit, error = np.zeros(len(x)), np.zeros(len(x))
    for k, centre in enumerate(x):
        distance = (x - centre) / bandwidth
        weight = np.exp(-(distance**2) / 2)
        first, second = weight @ distance, weight @ distance**2
        # Weights of the line's value at the centre; a point far from all others is its own fit.
        linear = weight * (second - first * distance)
        shares = linear if linear.sum() > 0 else weight
        shares = shares / shares.sum()
        fit[k], error[k] = shares @ y, np.sqrt(shares @ shares)
    return fit, error


def noise_level(x: NDArray[np.float64], y: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of independent noise on a smooth curve, from what a line through two neighbours misses.

    The residuals of Gasser, Sroka and Jennen-Steinmetz, scaled to the variance of the noise; their median, so that
    the steep and bent parts of a curve, if they are less than half of it, do not pass for noise. Taken twice, as they
    are and relative to the `level` (n,) of the curve: noise may be the same everywhere or proportional to the curve,
    and at each point the larger estimate holds.

    References
    ----------
    T. Gasser, L. Sroka, C. Jennen-Steinmetz, Residual variance and residual pattern in nonlinear regression,
    Biometrika 73 (1986).
    """
    left = (x[2:] - x[1:-1]) / (x[2:] - x[:-2])
    missed = np.abs(left * y[:-2] + (1 - left) * y[2:] - y[1:-1])
    residual = missed / np.sqrt(left**2 + (1 - left) ** 2 + 1) / _MEDIAN_NORMAL
    size = np.abs(level)
    relative = np.divide(residual, size[1:-1], out=np.zeros_like(residual), where=size[1:-1] > 0)
    return np.maximum(np.median(residual), np.median(relative) * size)
