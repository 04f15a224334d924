"""Maxima over many candidates: a tournament of pairs, and who wins on each region.

A maximum of k values is affine wherever one of them wins. Round by round, neighbours meet: each round's events are
the differences of the two sides' maxima, which are affine on the regions that the rounds before have made. Ties
between losers leave edges that do not belong to the maximum; comparing the winners on both sides tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

Candidates = Callable[..., Tensor]


def n_rounds(candidates: Tensor) -> int:
    """Rounds that a tournament among (V, n, k) candidates takes."""
    return max(1, (candidates.shape[2] - 1).bit_length())


def round_events(candidates: Tensor, round: int) -> Tensor:
    """(V, m) differences that decide one round, for (V, n, k) candidates."""
    first, second = _pairs(_after(candidates, round))
    return (first - second).reshape(len(candidates), -1)


def round_magnitudes(candidates: Tensor, round: int) -> Tensor:
    """(V, m) magnitudes that enter one round's differences, for (V, n, k) magnitudes of the candidates."""
    first, second = _pairs(_after(candidates, round))
    return (first + second).reshape(len(candidates), -1)


def winners(candidates: Tensor, tolerance: Tensor) -> Tensor:
    """(V, n) index of the first candidate that is within the tolerance (n,) of the maximum."""
    top = candidates.amax(dim=2, keepdim=True)
    return (candidates >= top - tolerance.reshape(1, -1, 1)).int().argmax(dim=2)


def _after(candidates: Tensor, rounds: int) -> Tensor:
    for _ in range(rounds):
        candidates = torch.maximum(*_pairs(candidates))
    return candidates


def _pairs(candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Neighbours; the last of an odd number meets itself."""
    if candidates.shape[2] % 2:
        candidates = torch.cat([candidates, candidates[:, :, -1:]], dim=2)
    return candidates[:, :, 0::2], candidates[:, :, 1::2]


def _over_dimensions(sign: int) -> Candidates:
    def candidates(x: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
        dims = [dim] if isinstance(dim, int) else list(dim) or list(range(1, x.ndim))
        dims = sorted(d % x.ndim for d in dims)
        if 0 in dims:
            raise ValueError("a maximum over the batch mixes the points of a batch")
        size = 1
        for d in dims:
            size *= x.shape[d]
        moved = x.movedim(dims, list(range(x.ndim - len(dims), x.ndim)))
        return sign * moved.reshape(len(x), -1, size)

    return candidates


def _pool(n_dims: int) -> Candidates:
    def candidates(
        x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> Tensor:
        k, p, d = (_per_dimension(v, n_dims) for v in (kernel, padding, dilation))
        s = _per_dimension(stride, n_dims) if stride not in ((), [], None) else k
        return _gather(x, n_dims, _pool_index(tuple(x.shape[-n_dims:]), k, s, p, d, ceil_mode, x.device))

    return candidates


def _adaptive_pool(n_dims: int) -> Candidates:
    def candidates(x: Tensor, output_size: Any) -> Tensor:
        sizes = tuple(x.shape[-n_dims:])
        return _gather(x, n_dims, _adaptive_index(sizes, _per_dimension(output_size, n_dims), x.device))

    return candidates


def _per_dimension(value: Any, n: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * n if len(values) == 1 else values


def _gather(x: Tensor, n_dims: int, index: Tensor) -> Tensor:
    """(V, n, k) candidates of every window, for (n, k) positions in the last dimensions, flattened."""
    return x.reshape(len(x), -1, prod(x.shape[-n_dims:]))[:, :, index].flatten(1, 2)


# Made on the host and copied once: a GPU would have to wait for each copy.
@lru_cache(maxsize=64)
def _pool_index(
    sizes: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
    device: torch.device,
) -> Tensor:
    """(n, k) flat positions in each pooling window."""
    windows = []
    for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        span = size + 2 * p - d * (k - 1) - 1
        n_out = (-(-span // s) if ceil_mode else span // s) + 1
        if ceil_mode and (n_out - 1) * s >= size + p:
            n_out -= 1  # PyTorch drops a last window that would start in the padding
        position = torch.arange(n_out)[:, None] * s - p + torch.arange(k)[None] * d
        windows.append(torch.where((position >= 0) & (position < size), position, -1))
    return _flat_positions(sizes, windows).to(device)


@lru_cache(maxsize=64)
def _adaptive_index(sizes: tuple[int, ...], output_size: tuple[int, ...], device: torch.device) -> Tensor:
    """(n, k) flat positions in each window of an adaptive pool; shorter windows are padded."""
    windows = []
    for size, n_out in zip(sizes, output_size, strict=True):
        low = [i * size // n_out for i in range(n_out)]
        high = [-((-(i + 1) * size) // n_out) for i in range(n_out)]
        longest = max(h - lo for lo, h in zip(low, high, strict=True))
        rows = [[lo + j if lo + j < h else -1 for j in range(longest)] for lo, h in zip(low, high, strict=True)]
        windows.append(torch.tensor(rows))
    return _flat_positions(sizes, windows).to(device)


def _flat_positions(sizes: tuple[int, ...], windows: list[Tensor]) -> Tensor:
    """(n, k) from the (n_out, k) positions along each dimension, -1 in the padding.

    A window's padding repeats one of its own positions, which changes no tie.
    """
    index = torch.zeros((1, 1), dtype=torch.int64)
    valid = torch.ones((1, 1), dtype=torch.bool)
    for size, position in zip(sizes, windows, strict=True):
        index = (index[:, None, :, None] * size + position[None, :, None, :]).flatten(2).flatten(0, 1)
        valid = (valid[:, None, :, None] & (position >= 0)[None, :, None, :]).flatten(2).flatten(0, 1)
    first = index.gather(1, valid.int().argmax(dim=1, keepdim=True))
    return torch.where(valid, index, first)


# The candidates (V, n, k) of each output of an operator, from the operator's own arguments; a minimum is the maximum
# of the negatives.
MAXIMA: dict[str, Candidates] = {
    "amax": _over_dimensions(1),
    "amin": _over_dimensions(-1),
    "max.dim": _over_dimensions(1),
    "min.dim": _over_dimensions(-1),
    "max_pool1d": _pool(1),
    "max_pool2d": _pool(2),
    "max_pool3d": _pool(3),
    "max_pool1d_with_indices": _pool(1),
    "max_pool2d_with_indices": _pool(2),
    "max_pool3d_with_indices": _pool(3),
    "adaptive_max_pool1d": _adaptive_pool(1),
    "adaptive_max_pool2d": _adaptive_pool(2),
    "adaptive_max_pool3d": _adaptive_pool(3),
}
