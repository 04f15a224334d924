"""How many points at once: batch sizes and budgets of memory, as callers give them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real

from .errors import InvalidInputError, MemoryBudgetError


def batches(n_points: int, size: int) -> Iterator[range]:
    """Indices of consecutive batches; the last one may be smaller."""
    for start in range(0, n_points, size):
        yield range(start, min(start + size, n_points))


def check_batch_size(batch_size: int) -> int:
    """Refuse a batch of no points."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InvalidInputError(f"batch_size must be a positive integer, not {batch_size!r}")
    return batch_size


def check_memory(max_memory: float | None) -> int | None:
    """Refuse a budget that is no number of bytes."""
    if max_memory is None:
        return None
    if isinstance(max_memory, bool) or not (isinstance(max_memory, Real) and 1 <= max_memory < math.inf):
        raise InvalidInputError(f"max_memory is a number of bytes, at least 1, not {max_memory!r}")
    return int(max_memory)


def points_at_once(each: int, usual: int, batch_size: int | None, max_memory: float | None) -> int:
    """How many points of `each` bytes to handle at once: `batch_size`, or what fits `usual` bytes and the budget.

    Examples
    --------
    >>> points_at_once(100, 1000, None, None), points_at_once(100, 1000, None, 350), points_at_once(100, 1000, 7, None)
    (10, 3, 7)

    Raises
    ------
    MemoryBudgetError
        Not even one point, or not `batch_size` of them, fits `max_memory`.
    """
    budget = check_memory(max_memory)
    size = max(1, min(usual, budget or usual) // each) if batch_size is None else check_batch_size(batch_size)
    if budget is not None and size * each > budget:
        what = "one point takes" if batch_size is None else f"batch_size={batch_size} points take"
        raise MemoryBudgetError(f"{what} about {size * each:,} bytes, more than max_memory={budget:,}")
    return size
