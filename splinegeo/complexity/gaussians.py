"""Standard normal numbers that belong to points: the same whenever, and with whomever, a point is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

# Points share a generator only where one point alone would draw fewer numbers than seeding costs.
_NUMBERS_PER_BLOCK = 512
# torch fills normal numbers in runs of 16, so a row of whole runs is a prefix of any longer draw.
_RUN = 16
# Numbers drawn ahead at once. Threads that have just multiplied matrices go on spinning for a while and are in the
# way of threads that draw: better seldom and much than often and little.
_AHEAD = 2**22


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
        self._block = max(1, _NUMBERS_PER_BLOCK // n_features)
        self._base = int(np.random.SeedSequence(seed).generate_state(1)[0])
        self._held, self._buffer = range(0), torch.zeros(0, dim, n_features)
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
            return self._draw(points, torch.zeros(len(points), *self._shape))
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
            self._buffer = torch.zeros(len(held), *self._shape)
        self._held = held
        self._draw(held, self._buffer[: len(held)])

    def _draw(self, points: Sequence[int], out: Tensor) -> Tensor:
        """Fill `out` block by block, each thread with blocks of its own."""
        rows: dict[int, list[int]] = {}
        for row, point in enumerate(points):
            rows.setdefault(point // self._block, []).append(row)
        by_row = out.unbind()
        in_place = self._block == 1 and self._shape[1] % _RUN == 0

        def fill(blocks: list[int]) -> None:
            generator = torch.Generator()
            for block in blocks:
                generator.manual_seed((self._base + block) % 2**32)
                if in_place:
                    first, *others = (by_row[row] for row in rows[block])
                    first.normal_(generator=generator)
                    for other in others:
                        other.copy_(first)
                    continue
                numbers = self._numbers(generator)
                for row in rows[block]:
                    by_row[row].copy_(numbers[:, points[row] % self._block])

        blocks = list(rows)
        list(self._pool.map(fill, [blocks[k :: self._workers] for k in range(self._workers)]))
        return out

    def _numbers(self, generator: torch.Generator) -> Tensor:
        """Numbers of one block, (P, points of the block, D); vector by vector, so that fewer are a prefix."""
        dim, n_features = self._shape
        size = self._block * n_features
        drawn = torch.randn(dim, -(-size // _RUN) * _RUN, generator=generator)
        return drawn[:, :size].unflatten(1, (self._block, n_features))
