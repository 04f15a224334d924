"""`Path`: the exact partition of a polyline, a frozen record of read-only arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..extras import load_extra
from ..given import real_array
from ..partition import Certificate
from ..records import Record
from .classes import predicted_classes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RELATIVE = 1e-9  # of the outputs' magnitude: what `check` allows


class LineFunction(Protocol):
    """The network as a function of the place on a polyline."""

    def __call__(self, segment: Ints, share: Floats) -> Floats:
        """Outputs (n, out) at shares (n,) of segments (n,)."""
        ...

    def affine_maps(self, segment: Ints, share: Floats) -> tuple[Floats, Floats]:
        """Outputs (n, out) there, and their derivatives (n, out) by the share."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Path(Record):
    """The pieces of a polyline in input space on each of which the network is one affine map.

    Places on the path are arc lengths s from its start, 0 <= s <= `length`, in lengths of the input space.

    Attributes
    ----------
    points : (n, *input_shape) float
        The polyline's corners; no two neighbours are equal.
    kinks : (K,) float
        Arc lengths, ascending, at which one piece ends and the next begins: zeros of units, and the polyline's inner
        corners.
    kink_layer, kink_unit : (K,) int
        Whose zero each kink is: index into `layer_names`, and flat index of the unit in that layer. Where several
        vanish together, the first of them; -1 at a corner of the polyline where none does.
    layer_names : names of the nonlinearities, in order of execution
    unit_shapes : shape of each nonlinearity's output, without the batch
    certificate : Certificate
        What was decided within rounding. The first coordinate of its places is the arc length.
    """

    points: Floats
    kinks: Floats
    kink_layer: Ints
    kink_unit: Ints
    layer_names: tuple[str, ...]
    unit_shapes: tuple[tuple[int, ...], ...]
    certificate: Certificate
    function: LineFunction | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __repr__(self) -> str:
        return f"Path(n_pieces={self.n_pieces}, length={self.length:.6g})"

    def __len__(self) -> int:
        return self.n_pieces

    def __getstate__(self) -> dict[str, Any]:
        """To another process travel the maps instead of the network."""
        maps = {"_maps": self._maps}
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"function": None} | maps

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.__post_init__()

    @property
    def n_pieces(self) -> int:
        """Number of pieces, K + 1."""
        return len(self.kinks) + 1

    @cached_property
    def _corners(self) -> Floats:
        """(n,) arc lengths of the polyline's corners."""
        flat = self.points.reshape(len(self.points), -1)
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(flat, axis=0), axis=1))])

    @property
    def length(self) -> float:
        """Of the whole path, in lengths of the input space."""
        return float(self._corners[-1])

    @cached_property
    def ends(self) -> Floats:
        """(K + 2,) the start, the kinks and the end: piece p lies between ``ends[p]`` and ``ends[p + 1]``."""
        return _read_only(np.concatenate([[0.0], self.kinks, [self.length]]))

    @cached_property
    def lengths(self) -> Floats:
        """(K + 1,) length of each piece."""
        return _read_only(np.diff(self.ends))

    @property
    def middles(self) -> Floats:
        """(K + 1,) arc length of the middle of each piece."""
        return self.ends[:-1] + self.lengths / 2

    @cached_property
    def _maps(self) -> tuple[Floats, Floats]:
        """Outputs (K + 1, out) at the middles, and slopes."""
        assert self.function is not None
        segment, share = self._on_segments(self.middles)
        values, rate = self.function.affine_maps(segment, share)
        return _read_only(values), _read_only(rate / np.diff(self._corners)[segment, None])

    @property
    def slopes(self) -> Floats:
        """(K + 1, out) derivative of the outputs by the arc length on each piece."""
        return self._maps[1]

    @cached_property
    def values(self) -> Floats:
        """(K + 2, out) outputs at the start, the kinks and the end: between them they are linear."""
        start = self._maps[0] - self.slopes * (self.lengths / 2)[:, None]
        last = self._maps[0][-1:] + self.slopes[-1:] * self.lengths[-1] / 2
        return _read_only(np.concatenate([start, last]))

    def locate(self, s: ArrayLike) -> Ints:
        """Index (n,) of the piece that holds each arc length (n,); -1 outside the path."""
        places = real_array(s, "s").reshape(-1)
        piece = np.searchsorted(self.kinks, places, side="right")
        return np.where((places >= 0) & (places <= self.length), piece, -1)

    def evaluate(self, s: ArrayLike) -> Floats:
        """Outputs (n, out) at arc lengths (n,), from the affine maps; NaN outside the path."""
        places = real_array(s, "s").reshape(-1)
        piece = self.locate(places)
        values = self._maps[0][piece] + self.slopes[piece] * (places - self.middles[piece])[:, None]
        values[piece < 0] = np.nan
        return values

    def embed(self, s: ArrayLike) -> torch.Tensor:
        """Network inputs (n, *input_shape) at arc lengths (n,), float64."""
        segment, share = self._on_segments(real_array(s, "s").reshape(-1))
        share = share.reshape(-1, *[1] * (self.points.ndim - 1))
        start, end = self.points[segment], self.points[segment + 1]
        return torch.from_numpy(start + share * (end - start))

    def _on_segments(self, s: Floats) -> tuple[Ints, Floats]:
        segment = np.clip(np.searchsorted(self._corners, s, side="right") - 1, 0, len(self.points) - 2)
        return segment, (s - self._corners[segment]) / np.diff(self._corners)[segment]

    @cached_property
    def _classes(self) -> tuple[Floats, Ints]:
        return predicted_classes(self.ends, self.values, self.certificate.value_tolerance)

    @property
    def class_changes(self) -> Floats:
        """(C,) arc lengths at which the ``argmax`` of the outputs changes; the sign, for a network with one output."""
        return self._classes[0]

    @property
    def classes(self) -> Ints:
        """(C + 1,) the class predicted before, between and after the changes; for one output 1 where it is positive."""
        return self._classes[1]

    def counts(self) -> Ints:
        """(L,) number of kinks that each nonlinearity makes; divided by `length` the density of kinks."""
        return np.bincount(self.kink_layer[self.kink_layer >= 0], minlength=len(self.layer_names))

    def check(self, n_samples: int = 1000, rng: int | np.random.Generator = 0) -> bool:
        """Whether the affine maps agree with the network, at random places and on both sides of every kink."""
        assert self.function is not None
        draw = np.random.default_rng(rng)
        piece = np.concatenate([np.arange(self.n_pieces), draw.integers(0, self.n_pieces, n_samples)])
        s = self.ends[piece] + draw.random(len(piece)) * self.lengths[piece]
        scale = np.abs(self.values).max()
        continuous = np.abs(self.values[1:] - self._maps[0] - self.slopes * (self.lengths / 2)[:, None])
        error = np.abs(self.evaluate(s) - self.function(*self._on_segments(s)))
        return bool(max(error.max(), continuous.max()) <= _RELATIVE * scale)

    def to_pandas(self) -> Any:
        """One row for each piece: start, end, length, the layer and unit of the kink it begins at, the slope's norm.

        Raises
        ------
        InvalidInputError
            If pandas is not installed.
        """
        return load_extra("pandas", "pandas", "pandas").DataFrame(self.table())

    def table(self) -> dict[str, NDArray[Any]]:
        """Columns of `to_pandas`."""
        before = np.array([-1])
        layer = np.concatenate([before, self.kink_layer])
        return {
            "start": self.ends[:-1],
            "end": self.ends[1:],
            "length": self.lengths,
            "layer": np.array([self.layer_names[k] if k >= 0 else "" for k in layer]),
            "unit": np.concatenate([before, self.kink_unit]),
            "slope_norm": np.linalg.norm(self.slopes, axis=1),
        }


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array
