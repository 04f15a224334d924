"""Random convex windows: corners on a dyadic grid, or anywhere on a circle."""

from __future__ import annotations

import numpy as np

_SHAPES = (
    ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    ((-1, 0), (0, -1), (1, 0), (0, 1)),
    ((-1, -1), (2, -1), (-1, 2)),
    ((-1, -1), (0, -1), (1, 0), (1, 1), (0, 1), (-1, 0)),
    ((0, 0), (4, 1), (3, 3), (1, 4)),
    ((-4, -1), (4, -1), (4, 1), (-4, 1)),
)


def dyadic_window(rng: np.random.Generator) -> np.ndarray:
    """A polygon whose corners are multiples of 1/4, so that lines of quantised units can pass through them.

    Parameters
    ----------
    rng : numpy Generator

    Returns
    -------
    (n, 2) float64
        Corners, counter-clockwise.

    Examples
    --------
    >>> window = dyadic_window(np.random.default_rng(0))
    >>> bool((window * 4 == np.round(window * 4)).all())
    True
    """
    shape = np.array(_SHAPES[rng.integers(0, len(_SHAPES))], dtype=np.float64)
    centred = rng.random() < 0.5
    shift = np.zeros(2) if centred else rng.integers(-4, 5, 2) / 4
    return shape * rng.choice([0.5, 1.0, 2.0, 4.0]) + shift


def round_window(rng: np.random.Generator) -> np.ndarray:
    """A polygon with 3 to 8 corners on a circle around a random centre, no two corners close.

    Parameters
    ----------
    rng : numpy Generator

    Returns
    -------
    (n, 2) float64
        Corners, counter-clockwise.

    Examples
    --------
    >>> 3 <= len(round_window(np.random.default_rng(0))) <= 8
    True
    """
    n = int(rng.integers(3, 9))
    angles = (np.arange(n) + rng.uniform(0, 0.7, n)) * 2 * np.pi / n
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return circle * rng.choice([1.0, 2.0, 4.0]) + rng.normal(0, 0.5, 2)
