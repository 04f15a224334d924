"""Operators written with those of the table: PyTorch's own decompositions, and a few more.

Order statistics are sorting networks: every comparator is the minimum and the maximum of two numbers, so that where
sorted numbers meet is where two numbers meet, and nothing new is needed to find it. Of a sorting network only the
comparators are kept on which the results asked for depend. Of `topk`, `kthvalue` and `median` the regions are those of
these comparators: some differ only in the order of numbers that are not among the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch._decomp import get_decompositions
from torch.export import default_decompositions
from torch.nn.functional import linear

from .operators import operator_name
from .table import KNOWN

aten = torch.ops.aten
# The numbers of one sorting network: 64 take 543 comparators.
MOST_SORTED = 64


@lru_cache(maxsize=1)
def decompositions() -> dict[Any, Callable[..., Any]]:
    """What to write every operator with that is not in the table."""
    table = {target: f for target, f in default_decompositions().items() if operator_name(target) not in KNOWN}
    return {**table, **_OWN}


def comparators(n: int) -> Iterator[tuple[int, int]]:
    """Batcher's odd-even merge sort: pairs of places (low, high) to put in order, one after the other.

    References
    ----------
    K. E. Batcher, Sorting networks and their applications, AFIPS 1968.

    Examples
    --------
    >>> list(comparators(4))
    [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2)]
    """
    p = 1
    while p < n:
        k = p
        while k:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        yield i + j, i + j + k
            k //= 2
        p *= 2


def ordered(x: Tensor, dim: int, wanted: list[int]) -> list[Tensor]:
    """The order statistics of some ranks along a dimension, 0 being the smallest, with that dimension left out."""
    n = x.shape[dim]
    values = list(x.unbind(dim))
    for stage in _stages(_needed(n, wanted)):
        low = torch.stack([values[i] for i, _ in stage], -1)
        high = torch.stack([values[j] for _, j in stage], -1)
        smaller, larger = torch.minimum(low, high), torch.maximum(low, high)
        for k, (i, j) in enumerate(stage):
            values[i], values[j] = smaller.select(-1, k), larger.select(-1, k)
    return [values[rank] for rank in wanted]


def _needed(n: int, wanted: list[int]) -> list[tuple[int, int]]:
    """The comparators on which some ranks depend."""
    live, kept = set(wanted), []
    for pair in reversed(list(comparators(n))):
        if live & set(pair):
            live.update(pair)
            kept.append(pair)
    return kept[::-1]


def _stages(pairs: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Comparators that touch different places, side by side."""
    ready: dict[int, int] = {}
    stages: list[list[tuple[int, int]]] = []
    for i, j in pairs:
        stage = max(ready.get(i, 0), ready.get(j, 0))
        ready[i] = ready[j] = stage + 1
        stages += [[]] * (stage == len(stages))
        stages[stage] = [*stages[stage], (i, j)]
    return iter(stages)


def _in_reach(lowered: Callable[..., Any]) -> Callable[..., Any]:
    """Along a dimension that is not too long, and is not the batch."""
    dim_of = signature(lowered)

    def checked(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        bound = dim_of.bind(x, *args, **kwargs)
        bound.apply_defaults()
        size = x.shape[bound.arguments["dim"]] if x.ndim else 1
        return lowered(x, *args, **kwargs) if isinstance(size, int) and size <= MOST_SORTED else NotImplemented

    return checked


def _without_places(values: Tensor) -> tuple[Tensor, Tensor]:
    """Values, and what stands for their positions, which nobody may use."""
    return values, torch.zeros_like(values, dtype=torch.int64)


def _sort(x: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    ranks = list(range(x.shape[dim]))
    return _without_places(torch.stack(ordered(x, dim, ranks[::-1] if descending else ranks), dim))


def _stable_sort(x: Tensor, *, stable: Any, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    return _sort(x, dim, descending)


def _topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Tensor, Tensor]:
    n = x.shape[dim]
    ranks = range(n - 1, n - 1 - k, -1) if largest else range(k)
    if k == 1:
        return _without_places((torch.amax if largest else torch.amin)(x, dim, keepdim=True))
    return _without_places(torch.stack(ordered(x, dim, list(ranks)), dim))


def _kthvalue(x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    (value,) = ordered(x, dim, [k - 1])
    return _without_places(value.unsqueeze(dim) if keepdim else value)


def _median(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    return _kthvalue(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def _aminmax(x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    dims = [] if dim is None else [dim]
    return torch.amin(x, dims, keepdim), torch.amax(x, dims, keepdim)


def _running(op: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """Running maxima, place by place: doubling would compare numbers of which neither is the largest so far."""

    def lowered(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        values = list(x.unbind(dim))
        for place in range(1, len(values)):
            values[place] = op(values[place - 1], values[place])
        return _without_places(torch.stack(values, dim))

    return lowered


def _vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    dims = list(range(x.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    if ord == 1:
        return x.abs().sum(dims, keepdim)
    if ord in (float("inf"), float("-inf")):
        return (torch.amax if ord > 0 else torch.amin)(x.abs(), dims, keepdim)
    return NotImplemented


def _rnn_relu(
    x: Tensor,
    hidden: Tensor,
    parameters: list[Tensor],
    has_biases: bool,
    n_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    """PyTorch's own decomposition fixes the size of the batch."""
    if train and dropout:
        return NotImplemented
    per_pass, last = 4 if has_biases else 2, []
    steps = list(x.unbind(1 if batch_first else 0))
    for layer in range(n_layers):
        passes = []
        for backwards in range(1 + bidirectional):
            k = layer * (1 + bidirectional) + backwards
            inner, outer, *biases = parameters[k * per_pass : (k + 1) * per_pass]
            state, states = hidden.select(0, k), []
            for step in steps[:: -1 if backwards else 1]:
                state = torch.relu(linear(step, inner, *biases[:1]) + linear(state, outer, *biases[1:]))
                states.append(state)
            passes.append(states[:: -1 if backwards else 1])
            last.append(state)
        steps = [torch.cat(both, -1) for both in zip(*passes, strict=True)]
    return torch.stack(steps, 1 if batch_first else 0), torch.stack(last)


def _instance_norm(x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, batch: bool, *rest: Any) -> Any:
    if batch or mean is None:
        return NotImplemented
    momentum, eps = rest[:2]
    return aten.batch_norm(x, weight, bias, mean, variance, False, momentum, eps, False)


_OWN: dict[Any, Callable[..., Any]] = {
    aten.sort.default: _in_reach(_sort),
    aten.sort.stable: _in_reach(_stable_sort),
    aten.topk.default: _in_reach(_topk),
    aten.kthvalue.default: _in_reach(_kthvalue),
    aten.median.dim: _in_reach(_median),
    aten.aminmax.default: _aminmax,
    aten.cummax.default: _in_reach(_running(torch.maximum)),
    aten.cummin.default: _in_reach(_running(torch.minimum)),
    aten.linalg_vector_norm.default: _vector_norm,
    aten.instance_norm.default: _instance_norm,
    aten.nan_to_num.default: lambda x, *_: x.clone(),
    aten.rnn_relu.input: _rnn_relu,
    # For constant grids; PyTorch has no derivative of it for forward mode.
    **get_decompositions([aten.grid_sampler_2d]),
}
LOWERED = frozenset(operator_name(target) for target in _OWN)
# Their second result says where the values were found.
WITH_PLACES = frozenset({"sort", "topk", "kthvalue", "median", "nanmedian", "cummax", "cummin", "mode"})
