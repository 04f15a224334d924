"""Maxima over many candidates: a tournament of pairs, and who wins on each region.

A maximum of k values is affine wherever one of them wins. Round by round, neighbours meet: each round's events are
the differences of the two sides' maxima, which are affine on the regions that the rounds before have made. Ties
between losers leave edges that do not belong to the maximum; comparing the winners on both sides tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """(1, m) magnitudes that enter one round's differences, for (1, n, k) magnitudes of the candidates."""
    first, second = _pairs(_after(candidates, round))
    return (first + second).reshape(1, -1)


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
        sizes = x.shape[-n_dims:]
        k, p, d = (_per_dimension(v, n_dims) for v in (kernel, padding, dilation))
        s = _per_dimension(stride, n_dims) if stride not in ((), [], None) else k
        options = zip(sizes, k, s, p, d, strict=True)
        windows = [_window_positions(*option, ceil_mode=ceil_mode) for option in options]
        return _gather_windows(x, windows)

    return candidates


def _adaptive_pool(n_dims: int) -> Candidates:
    def candidates(x: Tensor, output_size: Any) -> Tensor:
        windows = []
        for size, n_out in zip(x.shape[-n_dims:], _per_dimension(output_size, n_dims), strict=True):
            low = [i * size // n_out for i in range(n_out)]
            high = [-((-(i + 1) * size) // n_out) for i in range(n_out)]
            longest = max(h - lo for lo, h in zip(low, high, strict=True))
            rows = [[lo + j if lo + j < h else -1 for j in range(longest)] for lo, h in zip(low, high, strict=True)]
            windows.append(torch.tensor(rows))
        return _gather_windows(x, windows)

    return candidates


def _per_dimension(value: Any, n: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * n if len(values) == 1 else values


def _window_positions(size: int, k: int, s: int, p: int, d: int, *, ceil_mode: bool) -> Tensor:
    """(n_out, k) input positions of each pooling window along one dimension; -1 in the padding."""
    span = size + 2 * p - d * (k - 1) - 1
    n_out = (-(-span // s) if ceil_mode else span // s) + 1
    if ceil_mode and (n_out - 1) * s >= size + p:
        n_out -= 1  # PyTorch drops a last window that would start in the padding
    position = torch.arange(n_out)[:, None] * s - p + torch.arange(k)[None] * d
    return torch.where((position >= 0) & (position < size), position, -1)


def _gather_windows(x: Tensor, windows: list[Tensor]) -> Tensor:
    """(V, n, k) candidates of every window; a window's padding repeats one of its own values, which changes no tie."""
    n_dims = len(windows)
    index = torch.zeros((1, 1), dtype=torch.int64)
    valid = torch.ones((1, 1), dtype=torch.bool)
    for size, position in zip(x.shape[-n_dims:], windows, strict=True):
        index = (index[:, None, :, None] * size + position[None, :, None, :]).flatten(2).flatten(0, 1)
        valid = (valid[:, None, :, None] & (position >= 0)[None, :, None, :]).flatten(2).flatten(0, 1)
    first = index.gather(1, valid.int().argmax(dim=1, keepdim=True))
    index = torch.where(valid, index, first).to(x.device)
    flat = x.reshape(len(x), -1, int(torch.tensor(x.shape[-n_dims:]).prod()))
    return flat[:, :, index].flatten(1, 2)


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
