"""Where we look: a convex window in a two-dimensional affine slice of the input space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from .errors import DegenerateSliceError, InvalidInputError, NonFiniteError

# Rounding in a difference of two anchors is a few units in the last place; a plane or a window thinner than this
# share of its own size has no direction, or no area, that float64 could tell.
_THIN = 2.0**-40


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
        window = _convex_counter_clockwise(_finite(self.window, "window"))
        for name, array in (("origin", origin), ("basis", basis), ("window", window)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "input_shape", shape)

    def __repr__(self) -> str:
        return f"Slice(input_shape={self.input_shape}, window={self.window.tolist()})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process builds it anew: checked, and read-only."""
        return type(self), (self.origin, self.basis, self.window, self.input_shape)

    @classmethod
    def box(cls, x: tuple[float, float], y: tuple[float, float]) -> Slice:
        """The rectangle [x₀, x₁] × [y₀, y₁] of the plane itself, for networks with two inputs."""
        (x0, x1), (y0, y1) = x, y
        return cls.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])

    @classmethod
    def polygon(cls, vertices: ArrayLike) -> Slice:
        """A convex polygon of the plane itself; `vertices` is (N, 2), in either orientation."""
        return cls(np.zeros(2), np.eye(2), np.asarray(vertices, dtype=np.float64), (2,))

    @classmethod
    def through(cls, a: Any, b: Any, c: Any, margin: float = 0.25) -> Slice:
        """The plane through three inputs, with a square window around them.

        The window is centred at the mean of the three and reaches ``(1 + margin)`` times the largest distance
        from it, so that every anchor lies inside.

        Parameters
        ----------
        a, b, c : arrays or tensors of one shape
            The anchors; their shape is the slice's `input_shape`.
        margin : float
            Share of the largest distance that is added on each side.

        Raises
        ------
        DegenerateSliceError
            If the anchors are collinear or coincide.
        """
        anchors = [_finite(_to_numpy(point), "anchor") for point in (a, b, c)]
        if len({point.shape for point in anchors}) != 1:
            raise InvalidInputError(f"anchors have different shapes: {[p.shape for p in anchors]}")
        shape = anchors[0].shape
        points = np.stack([point.reshape(-1) for point in anchors])
        origin = points.mean(axis=0)
        basis = _orthonormal(points[1] - points[0], points[2] - points[0])
        half = (1 + margin) * np.linalg.norm(points - origin, axis=1).max()
        return cls(origin, basis, _square(half), shape)

    @classmethod
    def around(cls, x: Any, half_width: float, rng: int | np.random.Generator = 0) -> Slice:
        """A square window of the given half-width, in a uniformly random plane centred at the input `x`."""
        point = _finite(_to_numpy(x), "x")
        directions = np.random.default_rng(rng).standard_normal((2, point.size))
        if point.size < 2:
            raise DegenerateSliceError("a slice needs an input space of at least two dimensions, not 1")
        return cls(point.reshape(-1), _orthonormal(*directions), _square(half_width), point.shape)

    def embed(self, u: ArrayLike | torch.Tensor) -> torch.Tensor:
        """Network inputs ``origin + basis @ u``: (n, 2) slice coordinates to (n, *input_shape), float64."""
        coordinates = np.asarray(_to_numpy(u), dtype=np.float64).reshape(-1, 2)
        return torch.from_numpy(self.origin + coordinates @ self.basis.T).reshape(-1, *self.input_shape)

    def project(self, x: Any) -> NDArray[np.float64]:
        """Slice coordinates (n, 2) of the orthogonal projections of inputs (n, *input_shape) onto the plane."""
        points = np.asarray(_to_numpy(x), dtype=np.float64).reshape(-1, self.origin.size)
        return (points - self.origin) @ self.basis


def _to_numpy(values: Any) -> NDArray[np.float64]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.array(values, dtype=np.float64)


def _finite(values: Any, name: str) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise NonFiniteError(f"{name} contains NaN or infinity")
    return array


def _square(half: float) -> NDArray[np.float64]:
    return half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _orthonormal(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal basis (D, 2) of the span of two vectors, the first keeping its direction."""
    size = max(np.linalg.norm(first), np.linalg.norm(second))
    if np.linalg.norm(first) <= _THIN * size:
        raise DegenerateSliceError("the three anchors of a slice must not be collinear: two of them coincide")
    e1 = first / np.linalg.norm(first)
    rest = second - (second @ e1) * e1
    if np.linalg.norm(rest) <= _THIN * size:
        raise DegenerateSliceError("the three anchors of a slice must not be collinear: they lie on one line")
    rest -= (rest @ e1) * e1  # a second pass restores orthogonality where the first cancelled digits
    return np.stack([e1, rest / np.linalg.norm(rest)], axis=1)


def _convex_counter_clockwise(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same polygon, oriented counter-clockwise, corners on straight sides dropped."""
    if window.ndim != 2 or window.shape[1] != 2 or len(window) < 3:
        raise DegenerateSliceError(f"a window needs at least three corners (N, 2), not shape {window.shape}")
    centred = window - window.mean(axis=0)
    size = np.abs(centred).max()
    following = np.roll(centred, -1, axis=0)
    area = 0.5 * float(np.sum(centred[:, 0] * following[:, 1] - centred[:, 1] * following[:, 0]))
    if abs(area) <= _THIN * size**2:
        raise DegenerateSliceError(f"the window has no area: {window.tolist()}")
    if area < 0:
        window, centred = window[::-1].copy(), centred[::-1]
    sides = np.roll(centred, -1, axis=0) - centred
    before = np.roll(sides, 1, axis=0)
    turn = before[:, 0] * sides[:, 1] - before[:, 1] * sides[:, 0]
    straight = np.abs(turn) <= _THIN * size**2
    angles = np.arctan2(turn, np.sum(before * sides, axis=1))
    if (turn[~straight] < 0).any() or abs(angles.sum() - 2 * np.pi) > 1e-6:
        raise DegenerateSliceError(f"the window is not convex: {window.tolist()}")
    return window[~straight].copy()
