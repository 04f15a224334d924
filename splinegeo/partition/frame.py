"""Normalised coordinates: the window fills about the unit square, wherever and however large it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..slices import Slice

_FAR = 8.0


@dataclass(frozen=True)
class Frame:
    """``u = centre + scale * v``: slice coordinates u, normalised coordinates v.

    The scale is a power of two and the centre is zero unless the window is far from the origin, so that going
    there and back changes no bit of ordinary windows.
    """

    centre: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, domain: Slice) -> Frame:
        """The frame of a slice's window."""
        low, high = domain.window.min(0), domain.window.max(0)
        extent = float((high - low).max())
        far = np.abs(domain.window).max() > _FAR * extent
        centre = domain.window[0].copy() if far else np.zeros(2)
        reach = float(np.abs(domain.window - centre).max())
        return cls(centre, 2.0 ** np.ceil(np.log2(reach)))

    def normalise(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normalised coordinates of slice coordinates."""
        return (u - self.centre) / self.scale

    def restore(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Slice coordinates of normalised coordinates."""
        return self.centre + self.scale * v
