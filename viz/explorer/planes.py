"""Which plane, and which window of it, a browser asks for. Everything it says is checked here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splinegeo import InvalidInputError, Slice

Floats = NDArray[np.float64]

_MOST_MOVES = 64


@dataclass(frozen=True)
class View:
    """A square of the plane that is seen whole, and how the picture is turned.

    Attributes
    ----------
    centre : slice coordinates of the middle
    size : side of the square, in slice coordinates
    angle : by which the picture's horizontal is turned against the first basis vector, in radians
    """

    centre: tuple[float, float]
    size: float
    angle: float = 0.0

    @classmethod
    def of(cls, given: Any) -> View:
        """From the ``{"centre": [u1, u2], "size": s, "angle": a}`` of a message or a trait.

        Raises
        ------
        InvalidInputError
            If it is anything else, or a number is not finite.
        """
        try:
            view = cls((float(given["centre"][0]), float(given["centre"][1])), float(given["size"]), 0.0)
            view = replace(view, angle=float(given.get("angle", 0.0)))
            numbers = (*view.centre, view.size, view.angle)
            sound = len(given["centre"]) == 2 and all(map(math.isfinite, numbers)) and view.size > 0
        except (TypeError, ValueError, LookupError, AttributeError):
            sound = False
        if not sound:
            raise InvalidInputError(
                f"a view is {{'centre': [u1, u2], 'size': s, 'angle': a}} in finite numbers, not {given!r}"
            )
        return view

    @classmethod
    def home(cls, domain: Slice) -> View:
        """The bounding square of a window."""
        low, high = domain.window.min(axis=0), domain.window.max(axis=0)
        u1, u2 = ((low + high) / 2).tolist()
        return cls((u1, u2), float((high - low).max()))

    def description(self) -> dict[str, Any]:
        """For the page, and for the trait."""
        return {"centre": list(self.centre), "size": self.size, "angle": self.angle}

    def window(self, plane: Slice, extent: Sequence[float]) -> Slice:
        """The rectangle of width and height `extent` around the middle, turned with the picture."""
        width, height = extent
        c, s = math.cos(self.angle), math.sin(self.angle)
        corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
        return replace(plane, window=np.array(self.centre) + corners @ np.array([[c, s], [-s, c]]))


def extent_of(given: Any) -> tuple[float, float]:
    """Width and height of what is seen."""
    try:
        width, height = (float(number) for number in given)
        sound = math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0
    except (TypeError, ValueError):
        sound = False
    if not sound or not 0.01 < width / height < 100:
        raise InvalidInputError(f"a window has a width and a height, two positive numbers, not {given!r}")
    return width, height


@dataclass(frozen=True)
class Planes:
    """The planes that can be reached from the first one: through other data points, and tilted.

    Attributes
    ----------
    first : Slice
    data : (n, D) inputs that a plane can go through; may be empty
    margin : how far the window reaches beyond such anchors
    directions : (D, k) where the plane tilts to: the main directions of the data, or random ones
    """

    first: Slice
    data: Floats
    margin: float
    directions: Floats

    @classmethod
    def around(cls, first: Slice, data: Floats, margin: float = 0.25) -> Planes:
        """From a slice, and data of any number."""
        if len(data) > 2:
            some = data[:: max(1, len(data) // 512)]
            _, _, rows = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)
            directions = rows[:6].T
        else:
            directions = np.random.default_rng(0).standard_normal((first.origin.size, 6))
        return cls(first, data, margin, directions)

    @property
    def n_tilts(self) -> int:
        """In how many directions the plane can be tilted: the input space has two fewer than dimensions."""
        return min(2, self.first.origin.size - 2)

    def plane(self, asked: Any) -> Slice:
        """The plane of ``{"anchors": [i, j, k] or None, "moves": [[u1, u2, a, b], ...]}``, with its first window.

        Each move tilts the plane about its own point (u1, u2), which stays: the first basis vector by the angle a
        towards one direction that leaves the plane, the second by b towards another.
        """
        if not isinstance(asked, Mapping):
            raise InvalidInputError(f"a plane is {{'anchors': ..., 'moves': ...}}, not {asked!r}")
        plane = self.first if asked.get("anchors") is None else self._through(asked["anchors"])
        moves = asked.get("moves") or []
        try:
            numbers = np.array(moves, dtype=np.float64).reshape(-1, 4)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"the moves of a plane are (n, 4) numbers, not {moves!r}") from error
        if len(numbers) > _MOST_MOVES or not np.isfinite(numbers).all():
            raise InvalidInputError(f"the moves of a plane are at most {_MOST_MOVES} rows of finite numbers")
        for u1, u2, a, b in numbers.tolist():
            plane = self._tilted(plane, np.array([u1, u2]), (a, b))
        return plane

    def _through(self, anchors: Any) -> Slice:
        points = self.data[self.chosen(anchors, 3)]
        shaped = points.reshape(3, *self.first.input_shape)
        return Slice.through(shaped[0], shaped[1], shaped[2], margin=self.margin)

    def chosen(self, indices: Any, most: int) -> NDArray[np.int64]:
        """Indices of data points, checked."""
        sound = isinstance(indices, list) and all(type(i) is int and 0 <= i < len(self.data) for i in indices)
        if not sound or len(indices) > most:
            raise InvalidInputError(f"{indices!r} are not indices of the {len(self.data)} data points, at most {most}")
        return np.array(indices, dtype=np.int64)

    def _tilted(self, plane: Slice, pivot: Floats, angles: tuple[float, float]) -> Slice:
        outside, triangular = np.linalg.qr(np.hstack([plane.basis, self.directions]))
        # The sign of a column is free: that of its diagonal entry makes it turn continuously with the plane.
        outside = (outside * np.where(np.diag(triangular) < 0, -1.0, 1.0))[:, 2 : 2 + self.n_tilts]
        basis = plane.basis.copy()
        for axis in range(outside.shape[1]):
            basis[:, axis] = math.cos(angles[axis]) * basis[:, axis] + math.sin(angles[axis]) * outside[:, axis]
        basis, upper = np.linalg.qr(basis)  # orthonormal already; rounding does not add up over many moves
        basis = basis * np.where(np.diag(upper) < 0, -1.0, 1.0)
        origin = plane.origin + plane.basis @ pivot - basis @ pivot
        return replace(plane, origin=origin, basis=basis)
