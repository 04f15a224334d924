"""The exact coefficients of an affine operator: which numbers of the weights stand where.

Executed on unit vectors, an operator that multiplies by weights and adds yields one weight in every entry, all other
terms being zero: nothing is rounded, and float64 holds the exact matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..ambient import TRACING
from ..network import Network, Step
from .eligibility import divides, moves, refusal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Run = Callable[..., Any]

_CHUNK_ELEMENTS = 2**22


@dataclass(frozen=True)
class Coefficients:
    """One affine operator on one row: ``y = offset + matrix @ x``, all operands behind each other in x.

    Attributes
    ----------
    shape : of one row of the result
    row, column, value : (nnz,) the entries of the matrix that are not zero
    offset : (m,)
    """

    shape: tuple[int, ...]
    row: Ints
    column: Ints
    value: Floats
    offset: Floats


def step_coefficients(network: Network, step: Step, shapes: dict[str, tuple[int, ...]], strict: bool) -> Any:
    """Coefficients of one affine step, or a list of them where the step returns several tensors.

    Parameters
    ----------
    shapes : names and row shapes of the operands that depend on the input
    strict : whether to refuse quotients that are no floats
    """

    def run(n_rows: int, *tensors: Tensor) -> Any:
        args, kwargs = network.bind(step, dict(zip(shapes, tensors, strict=True)), n_rows)
        result = step.target(*args, **kwargs)
        if any(r.numel() and len(r) != n_rows for r in ([result] if isinstance(result, Tensor) else result)):
            raise refusal(step, "does not keep the batch in the first dimension")
        return result

    found = coefficients(run, list(shapes.values()), moves=moves(step.operator))
    if strict and divides(step.operator):
        for some in [found] if isinstance(found, Coefficients) else found:
            if (np.abs(np.frexp(some.value)[0]) != 0.5).any():
                raise refusal(step, "divides by what is no power of two")
    return found


def coefficients(run: Run, shapes: Sequence[tuple[int, ...]], *, moves: bool) -> Any:
    """Coefficients of an affine function of several operands.

    Parameters
    ----------
    run : of the number of rows n and operands (n, *shape)
    shapes : of the operands, without the rows
    moves : whether each value of the result is one value of the operands, up to its sign, or a constant
    """
    with torch.no_grad():
        offset = run(1, *(torch.zeros((1, *shape), dtype=torch.float64) for shape in shapes))
    single = isinstance(offset, Tensor)
    offsets = [offset] if single else list(offset)
    if moves:
        pairs = [_origins(tangent) for tangent in _tangents(run, shapes, _numbers(shapes))]
    else:
        size = sum(o.numel() for o in offsets) + sum(prod(shape) for shape in shapes)
        pairs = _entries(run, shapes, max(1, _CHUNK_ELEMENTS // max(size, 1)))
    found = [
        Coefficients(tuple(o.shape[1:]), *entries, o.reshape(-1).double().numpy())
        for o, entries in zip(offsets, pairs, strict=True)
    ]
    return found[0] if single else found


def _tangents(run: Run, shapes: Sequence[tuple[int, ...]], rows: Tensor) -> list[Tensor]:
    """The linear part of a function at rows (n, sum of the operands' sizes), free of the offset's rounding."""
    n = len(rows)
    parts = rows.split([prod(shape) for shape in shapes], dim=1)
    tangents = tuple(part.reshape(n, *shape) for part, shape in zip(parts, shapes, strict=True))
    with torch.no_grad(), TRACING:
        result = torch.func.jvp(lambda *x: run(n, *x), tuple(torch.zeros_like(t) for t in tangents), tangents)[1]
    return [r.reshape(n, r.numel() // n) for r in ([result] if isinstance(result, Tensor) else result)]


def _numbers(shapes: Sequence[tuple[int, ...]]) -> Tensor:
    return torch.arange(1, 1 + sum(prod(shape) for shape in shapes), dtype=torch.float64)[None]


def _origins(tangent: Tensor) -> tuple[Ints, Ints, Floats]:
    """Entries of a matrix that moves values, from its product with 1, 2, 3, …"""
    number = tangent[0].numpy()
    row = np.flatnonzero(number)
    return row, np.abs(number[row]).astype(np.int64) - 1, np.sign(number[row])


def _entries(run: Run, shapes: Sequence[tuple[int, ...]], chunk: int) -> list[tuple[Ints, Ints, Floats]]:
    """Entries of any matrix, from its products with the unit vectors."""
    total = sum(prod(shape) for shape in shapes)
    blocks = [list(_block(run, shapes, total, start, chunk)) for start in range(0, total, chunk)]
    return [
        (np.concatenate(row), np.concatenate(column), np.concatenate(value))
        for row, column, value in (zip(*block, strict=True) for block in zip(*blocks, strict=True))
    ]


def _block(
    run: Run, shapes: Sequence[tuple[int, ...]], total: int, start: int, chunk: int
) -> Iterator[tuple[Ints, Ints, Floats]]:
    n = min(chunk, total - start)
    units = torch.zeros((n, total), dtype=torch.float64)
    units[torch.arange(n), start + torch.arange(n)] = 1
    for tangent in _tangents(run, shapes, units):
        column, row = torch.nonzero(tangent, as_tuple=True)
        yield row.numpy(), start + column.numpy(), tangent[column, row].numpy()
