"""Batched orderings: ragged ranges, sorting within groups, components.

Everything here is one or a few array operations over all groups at once, on any device.
"""

from __future__ import annotations

from .arrays import Array, arange, argsort, flags, minimum, put, put_least, repeat, take, whole, zeros

# A group number and a position within the group share one sortable 63-bit key; 40 bits resolve a fraction of an
# edge to 1e-12, finer than the length tolerance that decides whether two positions differ.
_FRACTION_BITS = 40


def starts_of(counts: Array) -> Array:
    """Exclusive prefix sum with the total appended: (n,) counts to (n + 1,) offsets of a ragged array."""
    starts = zeros(len(counts) + 1, counts)
    starts[1:] = counts.cumsum(0)
    return starts


def owners(counts: Array) -> Array:
    """Owner of every element of a ragged array."""
    return repeat(arange(0, len(counts), counts), counts)


def ragged_arange(counts: Array) -> tuple[Array, Array]:
    """Owner and rank of every element of a ragged array.

    >>> import numpy as np
    >>> ragged_arange(np.array([2, 0, 3]))
    (array([0, 0, 2, 2, 2]), array([0, 1, 0, 1, 2]))
    """
    owner = owners(counts)
    starts = counts.cumsum(0) - counts
    return owner, arange(0, len(owner), owner) - take(starts, owner)


def argsort_within(group: Array, rank: Array, n_ranks: int) -> Array:
    """Order by (group, rank) for integers ``0 <= rank < n_ranks``."""
    if len(group) and int(group.max()) < 2**62 // max(n_ranks, 1):
        return argsort(group * n_ranks + rank)
    by_rank = argsort(rank)
    return take(by_rank, argsort(take(group, by_rank)))


def argsort_along(group: Array, fraction: Array) -> Array:
    """Order by (group, fraction) for fractions in [0, 1]."""
    if fraction.dtype.itemsize == 8 and len(group) and int(group.max()) < 2 ** (62 - _FRACTION_BITS):
        return argsort((group << _FRACTION_BITS) + whole(fraction * (2**_FRACTION_BITS - 1)))
    by_fraction = argsort(fraction)
    return take(by_fraction, argsort(take(group, by_fraction)))


def is_first(*keys: Array) -> Array:
    """Whether each row of sorted keys differs from the row before; the first row always does."""
    first = flags(len(keys[0]), True, keys[0])
    if len(first) > 1:
        first[1:] = keys[0][1:] != keys[0][:-1]
        for key in keys[1:]:
            first[1:] |= key[1:] != key[:-1]
    return first


def unique(x: Array) -> tuple[Array, Array]:
    """Ascending distinct entries, and which of them each entry is, in the shape of x."""
    order = argsort(x.reshape(-1), stable=False)
    ordered = take(x.reshape(-1), order)
    first = is_first(ordered)
    return ordered[first], put(zeros(len(order), order), order, first.cumsum(0) - 1).reshape(x.shape)


def components(n: int, one: Array, other: Array) -> Array:
    """Smallest member of each node's connected component, for undirected links ``one[i]`` to ``other[i]``.

    Labels spread along the links and are short-cut by pointer jumping, so the number of rounds grows with the
    logarithm of the longest chain.

    >>> import numpy as np
    >>> components(5, np.array([3, 1]), np.array([1, 4]))
    array([0, 1, 2, 1, 1])
    """
    label = arange(0, n, one)
    while True:
        low = minimum(label[one], label[other])
        spread = label + 0
        for end in (one, other):
            put_least(put_least(spread, label[end], low), end, low)
        spread = spread[spread]
        if (spread == label).all():
            return label
        label = spread
