"""Where we look: a convex window in a two-dimensional affine slice of the input space."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import DegenerateSliceError, InvalidInputError, NonFiniteError
from ..given import real_array, real_number
from .planes import centroid, convex_counter_clockwise, half_plane, nearest_plane, orthonormal, square


@dataclass(frozen=True, eq=False)
class Slice:
    """The affine plane ``x = origin + basis @ u`` and a convex window of it.

    Attributes
    ----------
    origin : (D,) array
        Input-space point at slice coordinates (0, 0).
    basis : (D, 2) array
        Orthonormal columns, so that lengths, angles and areas in slice coordinates are those of the input space.
    window : (N, 2) array
        Counter-clockwise corners of a convex polygon, in slice coordinates.
    input_shape : tuple of int
        Shape of one network input; its product is D.
    residual : float
        Largest distance of an anchor from the plane: zero, up to rounding, unless more than three were given.

    Raises
    ------
    DegenerateSliceError
        If the basis is not orthonormal, or the window is empty, of zero area or not convex.
    NonFiniteError
        If any number is NaN or infinite.

    Examples
    --------
    >>> square = Slice.box((-1, 1), (-1, 1))
    >>> square.embed([[0.5, 0.25]])
    tensor([[0.5000, 0.2500]], dtype=torch.float64)
    >>> Slice.box((0, 0), (0, 1))
    Traceback (most recent call last):
    ...
    splinegeo.errors.DegenerateSliceError: the window has no area: [[0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    """

    origin: NDArray[np.float64]
    basis: NDArray[np.float64]
    window: NDArray[np.float64]
    input_shape: tuple[int, ...]
    residual: float = 0.0

    def __post_init__(self) -> None:
        origin = _finite(self.origin, "origin").reshape(-1)
        basis = _finite(self.basis, "basis")
        shape = tuple(int(n) for n in self.input_shape)
        if basis.shape != (origin.size, 2) or int(np.prod(shape)) != origin.size:
            raise DegenerateSliceError(
                f"origin {origin.shape}, basis {basis.shape} and input_shape {shape} do not describe one plane"
            )
        if not np.allclose(basis.T @ basis, np.eye(2), rtol=0, atol=1e-9):
            raise DegenerateSliceError("the basis of a slice must have orthonormal columns")
        window = convex_counter_clockwise(_finite(self.window, "window"))
        for name, array in (("origin", origin), ("basis", basis), ("window", window)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "input_shape", shape)

    def __repr__(self) -> str:
        residual = f", residual={self.residual:.3g}" if self.residual else ""
        return f"Slice(input_shape={self.input_shape}, window={self.window.tolist()}{residual})"

    def __eq__(self, other: object) -> bool:
        """Whether both are the same window of the same plane, in the same coordinates."""
        if not isinstance(other, Slice):
            return NotImplemented
        arrays = ("origin", "basis", "window")
        same = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in arrays)
        return same and self.input_shape == other.input_shape

    def __hash__(self) -> int:
        return hash((self.input_shape, self.window.shape))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process builds it anew: checked, and read-only."""
        return type(self), (self.origin, self.basis, self.window, self.input_shape, self.residual)

    @classmethod
    def box(cls, x: tuple[float, float], y: tuple[float, float]) -> Slice:
        """The rectangle [x₀, x₁] × [y₀, y₁] of the plane itself, for networks with two inputs."""
        (x0, x1), (y0, y1) = x, y
        return cls.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])

    @classmethod
    def polygon(cls, vertices: ArrayLike) -> Slice:
        """A convex polygon of the plane itself; `vertices` is (N, 2), in either orientation."""
        return cls(np.zeros(2), np.eye(2), real_array(vertices, "vertices"), (2,))

    @classmethod
    def through(cls, *points: Any, margin: float | None = None, a: Any = None, b: Any = None, c: Any = None) -> Slice:
        """The plane through three inputs, or nearest to more of them, with a square window around them.

        Of more than three, the plane has the least sum of squared distances from them (it passes through their
        mean, along the two leading principal directions); `residual` is the largest of these distances. The first
        coordinate runs from the first anchor towards the second, and the third lies on the side of the second
        coordinate. The window is centred at the mean and reaches ``(1 + margin)`` times the largest distance from
        it, so that every anchor, or its projection, lies inside.

        Parameters
        ----------
        *points : three or more arrays or tensors of one shape
            The anchors; their shape is the slice's `input_shape`. A number after them is the margin.
        margin : float, by default 0.25
            Share of the largest distance that is added on each side.
        a, b, c : arrays or tensors
            The first three anchors by name.

        Raises
        ------
        DegenerateSliceError
            If the anchors are collinear or coincide.
        InvalidInputError
            If there are fewer than three, or they differ in shape.

        Examples
        --------
        Four corners of a square, two of them opposite and lifted: the plane lies between.

        >>> corners = [0, 0, 0.5], [1, 0, 0], [1, 1, 0.5], [0, 1, 0]
        >>> Slice.through(*corners[:3]).residual, Slice.through(*corners).residual
        (0.0, 0.25)
        """
        anchors, margin = _anchors_and_margin([*points, *(x for x in (a, b, c) if x is not None)], margin)
        shape = anchors[0].shape
        table = np.stack([point.reshape(-1) for point in anchors])
        origin = table.mean(axis=0)
        basis = orthonormal(table[1] - table[0], table[2] - table[0]) if len(table) == 3 else nearest_plane(table)
        half = (1 + margin) * np.linalg.norm(table - origin, axis=1).max()
        domain = cls(origin, basis, square(half), shape)
        return replace(domain, residual=float(domain.distance(table).max())) if len(table) > 3 else domain

    @classmethod
    def around(cls, x: Any, half_width: float, rng: int | np.random.Generator = 0) -> Slice:
        """A square window of the given half-width, in a uniformly random plane centred at the input `x`."""
        point = _finite(x, "x")
        directions = np.random.default_rng(rng).standard_normal((2, point.size))
        if point.size < 2:
            raise DegenerateSliceError("a slice needs an input space of at least two dimensions, not 1")
        return cls(point.reshape(-1), orthonormal(*directions), square(half_width), point.shape)

    @classmethod
    def axis_aligned(
        cls,
        x: Any,
        i: int | tuple[int, ...],
        j: int | tuple[int, ...],
        *,
        half_width: float | tuple[float, float] | None = None,
        range_i: tuple[float, float] | None = None,
        range_j: tuple[float, float] | None = None,
    ) -> Slice:
        """Two coordinates of the input vary, all others are those of `x`.

        Slice coordinates are the values of these two coordinates themselves, in the user's units: the input at
        slice coordinates (s, t) is `x` with ``x[i] = s`` and ``x[j] = t``.

        Parameters
        ----------
        x : array or tensor
            One input; its shape is the slice's `input_shape`.
        i, j : int or tuple of int
            Which coordinates: an index of the flattened input, or of an entry of `x`.
        half_width : float or (float, float)
            The window reaches so far on each side of ``(x[i], x[j])``.
        range_i, range_j : (low, high)
            The window instead.

        Raises
        ------
        InvalidInputError
            If `i` and `j` are one coordinate or none of `x`, or if neither or both of `half_width` and
            the ranges are given.

        Examples
        --------
        >>> domain = Slice.axis_aligned([1.0, 2.0, 3.0], 2, 0, range_i=(0, 10), range_j=(-1, 1))
        >>> domain.embed([[7.0, 0.5]])
        tensor([[0.5000, 2.0000, 7.0000]], dtype=torch.float64)
        >>> domain.project([1.0, 2.0, 3.0])
        array([[3., 1.]])
        """
        point = _finite(x, "x")
        axes = [_flat_index(index, point.shape) for index in (i, j)]
        if axes[0] == axes[1]:
            raise InvalidInputError(f"i and j must be two coordinates of the input, not both {i!r}")
        origin, basis = point.reshape(-1).copy(), np.eye(point.size)[:, axes]
        (u0, u1), (v0, v1) = _ranges(origin[axes], half_width, range_i, range_j)
        origin[axes] = 0
        return cls(origin, basis, np.array([(u0, v0), (u1, v0), (u1, v1), (u0, v1)]), point.shape)

    def zoom(self, factor: float, centre: ArrayLike | None = None) -> Slice:
        """The same plane and coordinates, the window `factor` times as small in both directions.

        It shrinks about its middle, which is its centre of mass.

        Parameters
        ----------
        factor : float
            More than 1 to look closer, less to look from farther away.
        centre : (2,) slice coordinates, optional
            Where the middle of the window goes; by default it stays.

        Examples
        --------
        >>> Slice.box((0, 8), (0, 4)).zoom(4, centre=(1, 1)).window.tolist()
        [[0.0, 0.5], [2.0, 0.5], [2.0, 1.5], [0.0, 1.5]]
        """
        if not (isinstance(factor, Real) and 0 < factor <= sys.float_info.max):
            raise InvalidInputError(f"factor must be a positive number, not {factor!r}")
        middle = centroid(self.window)
        target = middle if centre is None else _pair(centre, "centre")
        return replace(self, window=target + (self.window - middle) / float(factor))

    def crop(self, u: tuple[float, float], v: tuple[float, float]) -> Slice:
        """The same plane and coordinates, and of the window what lies in the rectangle [u₀, u₁] × [v₀, v₁].

        Raises
        ------
        DegenerateSliceError
            If nothing of the window does.

        Examples
        --------
        >>> Slice.polygon([(0, 0), (4, 0), (0, 4)]).crop((0, 1), (0, 2)).window.tolist()
        [[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]]
        """
        (u0, u1), (v0, v1) = np.sort(_pair(u, "u")), np.sort(_pair(v, "v"))
        window = self.window
        for axis, sign, level in ((0, 1, u0), (0, -1, u1), (1, 1, v0), (1, -1, v1)):
            window = half_plane(window, axis, sign, level)
        if len(window) < 3:
            raise DegenerateSliceError(f"nothing of the window lies in [{u0}, {u1}] × [{v0}, {v1}]")
        return replace(self, window=window)

    def rotate(self, angle: float) -> Slice:
        """The same plane and coordinates, the window turned about its centre of mass, counter-clockwise.

        Parameters
        ----------
        angle : float
            In radians.

        Examples
        --------
        >>> Slice.box((0, 2), (0, 4)).rotate(np.pi / 2).window.round(9).tolist()
        [[3.0, 1.0], [3.0, 3.0], [-1.0, 3.0], [-1.0, 1.0]]
        """
        if not (isinstance(angle, Real) and np.isfinite(angle)):
            raise InvalidInputError(f"angle must be a number of radians, not {angle!r}")
        cos, sin = np.cos(angle), np.sin(angle)
        middle = centroid(self.window)
        return replace(self, window=middle + (self.window - middle) @ np.array([[cos, sin], [-sin, cos]]))

    def embed(self, u: ArrayLike | torch.Tensor) -> torch.Tensor:
        """Network inputs ``origin + basis @ u``: (n, 2) slice coordinates to (n, *input_shape), float64."""
        coordinates = real_array(u, "u").reshape(-1, 2)
        return torch.from_numpy(self.origin + coordinates @ self.basis.T).reshape(-1, *self.input_shape)

    def project(self, x: Any) -> NDArray[np.float64]:
        """Slice coordinates (n, 2) of the orthogonal projections of inputs (n, *input_shape) onto the plane."""
        points = real_array(x, "x").reshape(-1, self.origin.size)
        return (points - self.origin) @ self.basis

    def distance(self, x: Any) -> NDArray[np.float64]:
        """(n,) distance of inputs (n, *input_shape) from the plane."""
        points = real_array(x, "x").reshape(-1, self.origin.size) - self.origin
        return np.linalg.norm(points - points @ self.basis @ self.basis.T, axis=1)


def _anchors_and_margin(points: list[Any], margin: float | None) -> tuple[list[NDArray[np.float64]], float]:
    """The anchors, of one shape; a number among them is the margin if it is the last of those without a name."""
    numbers = [k for k, point in enumerate(points) if np.ndim(point) == 0]
    if len(numbers) == 1 and margin is None:
        margin = real_number(points.pop(numbers[0]), "margin")
    anchors = [_finite(point, "anchor") for point in points]
    if len({point.shape for point in anchors}) > 1:
        raise InvalidInputError(f"anchors have different shapes: {[p.shape for p in anchors]}")
    if len(anchors) < 3:
        raise InvalidInputError(f"a plane needs three anchors or more, not {len(anchors)}")
    margin = 0.25 if margin is None else margin
    if not -1 < real_number(margin, "margin") < np.inf:
        raise InvalidInputError(f"margin must be more than -1, where the window has no area, not {margin!r}")
    return anchors, margin


def _flat_index(index: int | tuple[int, ...], shape: tuple[int, ...]) -> int:
    try:
        entry = np.zeros(shape).reshape(-1)
        return int(np.arange(entry.size)[index] if np.ndim(index) == 0 else np.arange(entry.size).reshape(shape)[index])
    except (IndexError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{index!r} is no coordinate of an input of shape {shape}") from error


def _ranges(middle: NDArray[np.float64], half_width: Any, range_i: Any, range_j: Any) -> NDArray[np.float64]:
    """(2, 2) lower and upper ends of the two coordinates."""
    given = [half_width is not None, range_i is not None, range_j is not None]
    if given not in ([True, False, False], [False, True, True]):
        raise InvalidInputError("give either half_width or both range_i and range_j")
    if half_width is None:
        return np.stack([_pair(range_i, "range_i"), _pair(range_j, "range_j")])
    reach = np.broadcast_to(real_array(half_width, "half_width"), 2)
    return np.stack([middle - reach, middle + reach], axis=1)


def _pair(values: Any, name: str) -> NDArray[np.float64]:
    pair = real_array(values, name)
    if pair.shape != (2,) or not np.isfinite(pair).all():
        raise InvalidInputError(f"{name} must be two finite numbers, not {values!r}")
    return pair


def _finite(values: Any, name: str) -> NDArray[np.float64]:
    array = real_array(values, name)
    if not np.isfinite(array).all():
        raise NonFiniteError(f"{name} contains NaN or infinity")
    return array
