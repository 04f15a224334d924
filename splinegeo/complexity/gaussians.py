"""Standard normal numbers that belong to points: the same whenever, and with whomever, a point is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# The numbers of vector p come from a stream of their own: the generator's, from this many steps times p on.
_APART = 2**64
# Numbers drawn ahead at once. Threads that have just multiplied matrices go on spinning for a while and are in the
# way of threads that draw: better seldom and much than often and little.
_AHEAD = 2**22
# Fewer numbers are drawn before another thread has started.
_WORTH_THREADS = 2**19
# From 32 random bits, as a signed integer, to a float32 uniform in (−1, 1): the ends are kept out.
_TO_UNIFORM = np.float32(2.0**-31 * (1 - 2.0**-24))


class Gaussians:
    """P vectors of D standard normal numbers for every point of one seed.

    Parameters
    ----------
    n_features, dim, seed : int
        D, P and the seed.
    n_points : int
        Points that will be asked for in turn; none behind them are drawn ahead.
    """

    def __init__(self, n_features: int, dim: int, seed: int, n_points: int) -> None:
        self._shape = dim, n_features
        self._n_points = n_points
        self._seed = np.random.SeedSequence(seed)
        self._held, self._buffer = range(0), _zeros(0, dim, n_features)
        self._workers = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._workers)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def take(self, points: Sequence[int]) -> Tensor:
        """Numbers (n, P, D) of these points, in float32, on the CPU.

        For a range they lie in memory that a later call writes to.
        """
        if not isinstance(points, range):
            return self._draw(_runs(points), _zeros(len(points), *self._shape))
        if points.start < self._held.start or points.stop > self._held.stop:
            self._hold(points)
        start = points.start - self._held.start
        return self._buffer[start : start + len(points)]

    def _hold(self, points: range) -> None:
        """Draw a range of points and those that are likely to be asked for next."""
        dim, n_features = self._shape
        ahead = min(points.start + _AHEAD // (dim * n_features), self._n_points)
        held = range(points.start, max(points.stop, ahead))
        if len(self._buffer) < len(held):
            self._buffer = _zeros(len(held), *self._shape)
        self._held = held
        self._draw([held], self._buffer[: len(held)])

    def _draw(self, points: Sequence[range], out: Tensor) -> Tensor:
        """Fill `out` as Φ⁻¹ of uniform numbers, vector by vector, each thread with vectors of its own."""
        uniform, vectors = out.numpy(), iter(range(self._shape[0]))
        if out.numel() < _WORTH_THREADS:
            self._fill(uniform, points, vectors)
        else:
            # All take from one iterator: a thread that was held up is left fewer vectors.
            list(self._pool.map(lambda _: self._fill(uniform, points, vectors), range(self._workers)))
        return out.erfinv_().mul_(2**0.5)

    def _fill(self, out: NDArray[np.float32], points: Sequence[range], vectors: Iterator[int]) -> None:
        """Uniform numbers in (−1, 1) for some vectors of all points, from streams of 64 bits a step."""
        n_features = self._shape[1]
        steps = -(-n_features // 2)
        bits, reached = np.random.PCG64DXSM(self._seed), 0
        for vector in vectors:
            row = 0
            for run in points:
                start, n = vector * _APART + run.start * steps, len(run)
                bits.advance(start - reached)
                integers = bits.random_raw(n * steps).view(np.int32).reshape(n, 2 * steps)[:, :n_features]
                rows = out[row : row + n, vector]
                np.multiply(integers, _TO_UNIFORM, out=rows, dtype=np.float32, casting="unsafe")
                reached, row = start + n * steps, row + n


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.float32, device="cpu")


def _runs(points: Sequence[int]) -> list[range]:
    """Consecutive points among these, together: 3, 4, 5, 9 as 3 to 5 and 9."""
    found: list[range] = []
    for _, group in groupby(enumerate(points), lambda pair: pair[1] - pair[0]):
        members = [point for _, point in group]
        found.append(range(members[0], members[-1] + 1))
    return found
