"""Batched orderings: ragged ranges, sorting within groups, clusters of near-equal values, components.

Everything here is one or a few tensor operations over all groups at once, on any device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# A group number and a position within the group share one sortable 63-bit key; 40 bits resolve a fraction of an
# edge to 1e-12, finer than the length tolerance that decides whether two positions differ.
_FRACTION_BITS = 40


def starts_of(counts: Tensor) -> Tensor:
    """Exclusive prefix sum with the total appended: (n,) counts to (n + 1,) offsets of a ragged array."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def ragged_arange(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Owner and rank of every element of a ragged array.

    >>> ragged_arange(torch.tensor([2, 0, 3]))
    (tensor([0, 0, 2, 2, 2]), tensor([0, 1, 0, 1, 2]))
    """
    owner = torch.repeat_interleave(counts)
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(owner), device=counts.device) - starts.index_select(0, owner)
    return owner, rank


def argsort(key: Tensor) -> Tensor:
    """Stable order of integer keys."""
    if key.device.type == "cpu":
        # NumPy sorts with vector instructions, twice as fast, but not stably: of no matter where no keys are equal.
        order = torch.from_numpy(np.argsort(key.numpy()))
        ordered = key.index_select(0, order)
        if not (ordered[1:] == ordered[:-1]).any():
            return order
    return torch.sort(key, stable=True).indices


def argsort_within(group: Tensor, rank: Tensor, n_ranks: int) -> Tensor:
    """Order by (group, rank) for integers ``0 <= rank < n_ranks``."""
    if len(group) and int(group.max()) < 2**62 // max(n_ranks, 1):
        return argsort(group * n_ranks + rank)
    by_rank = argsort(rank)
    return by_rank.index_select(0, argsort(group.index_select(0, by_rank)))


def argsort_along(group: Tensor, fraction: Tensor) -> Tensor:
    """Order by (group, fraction) for fractions in [0, 1]."""
    if fraction.dtype == torch.float64 and len(group) and int(group.max()) < 2 ** (62 - _FRACTION_BITS):
        return argsort((group << _FRACTION_BITS) + (fraction * (2**_FRACTION_BITS - 1)).long())
    by_fraction = torch.sort(fraction, stable=True).indices
    return by_fraction.index_select(0, argsort(group.index_select(0, by_fraction)))


def is_first(*keys: Tensor) -> Tensor:
    """Whether each row of sorted keys differs from the row before; the first row always does."""
    first = torch.ones(len(keys[0]), dtype=torch.bool, device=keys[0].device)
    if len(first) > 1:
        first[1:] = keys[0][1:] != keys[0][:-1]
        for key in keys[1:]:
            first[1:] |= key[1:] != key[:-1]
    return first


def components(n: int, one: Tensor, other: Tensor) -> Tensor:
    """Smallest member of each node's connected component, for undirected links ``one[i]`` to ``other[i]``.

    Labels spread along the links and are short-cut by pointer jumping, so the number of rounds grows with the
    logarithm of the longest chain.

    >>> components(5, torch.tensor([3, 1]), torch.tensor([1, 4]))
    tensor([0, 1, 2, 1, 1])
    """
    label = torch.arange(n, device=one.device)
    while True:
        low = torch.minimum(label[one], label[other])
        spread = label.clone()
        for end in (one, other):
            spread.scatter_reduce_(0, label[end], low, "amin")
            spread.scatter_reduce_(0, end, low, "amin")
        spread = spread[spread]
        if torch.equal(spread, label):
            return label
        label = spread
