"""The exact coefficients of an affine operator: which numbers of the weights stand where.

Executed on unit vectors, an operator that multiplies by weights and adds yields one weight in every entry, all other
terms being zero: nothing is rounded, and float64 holds the exact matrix. An operator that computes its coefficients
first (a batch norm divides by a square root) is refused by name.
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

from ..errors import InvalidInputError
from ..network import Architecture, Network, Step

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Run = Callable[..., Any]

_CHUNK_ELEMENTS = 2**22


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Every value is one of the operands', its negative, or a constant.
MOVES = _names(
    """
    neg cat concat stack hstack vstack clone alias detach contiguous lift_fresh lift_fresh_copy
    view view_as reshape reshape_as _unsafe_view flatten unflatten ravel permute transpose t swapaxes movedim moveaxis
    squeeze unsqueeze expand expand_as repeat repeat_interleave tile broadcast_to slice select narrow index
    index_select gather take_along_dim split split_with_sizes chunk tensor_split unbind unsafe_split unsafe_chunk
    getitem flip roll rot90 diagonal diag tril triu mT copy where masked_fill to _to_copy dropout
    alpha_dropout feature_dropout upsample_nearest1d upsample_nearest2d upsample_nearest3d
    pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d
    replication_pad1d replication_pad2d replication_pad3d pixel_shuffle pixel_unshuffle channel_shuffle im2col unfold
    slice_scatter select_scatter index_copy zeros_like ones_like full_like new_zeros new_ones new_full fill
    """
)
# Every coefficient is one number of the weights, or a count.
WEIGHS = _names(
    """
    add sub rsub mul multiply sum cumsum linear matmul mm bmm mv dot outer inner addmm addmv baddbmm
    conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d col2im
    """
)
# Coefficients are quotients, which floats hold only if the divisor is a power of two.
DIVIDES = _names(
    """
    div divide true_divide mean avg_pool1d avg_pool2d avg_pool3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
    """
)
CREATES = _names("full zeros ones arange scalar_tensor eye lift_fresh_copy")


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


def require_exact(architecture: Architecture) -> None:
    """Refuse a network whose coefficients are not exactly the given floats, as far as its operators tell.

    Raises
    ------
    InvalidInputError
        Names the operator and its module. Operators after the last nonlinearity move no edge and are not asked.
    """
    network = architecture.network
    head = network.steps[: last_nonlinearity(network) + 1]
    for step in head:
        if step.layer is None and step.operator not in MOVES | WEIGHS | DIVIDES:
            raise refusal(step)
        numbers = [step.kwargs.get(name, 1) for name in ("alpha", "beta")]
        if any(abs(np.frexp(number)[0]) != 0.5 for number in numbers):
            raise refusal(step)
    needed = {name for step in head for name in step.inputs()}
    for step in (*reversed(network.row_constants.values()), *reversed(architecture.constant_steps)):
        if step.name in needed:
            needed.update(step.inputs())
            if step.operator not in MOVES | CREATES:
                raise refusal(step)


def last_nonlinearity(network: Network) -> int:
    """Position of the last nonlinearity among the steps; -1 without any."""
    return max((i for i, step in enumerate(network.steps) if step.layer is not None), default=-1)


def refusal(step: Step) -> InvalidInputError:
    """The sentence that an operator without exact coefficients gets."""
    where = f" in module '{step.module}'" if step.module else ""
    return InvalidInputError(
        f"exact=True needs coefficients that are exactly the given floats, and operator '{step.operator}'{where} "
        "computes new ones: fold it into the layer beside it, or leave exact=True out"
    )


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
        if any(len(r) != n_rows for r in ([result] if isinstance(result, Tensor) else result)):
            raise refusal(step)  # points that do not stand in the first dimension cannot be told apart
        return result

    found = coefficients(run, list(shapes.values()), moves=step.operator in MOVES)
    if strict and step.operator in DIVIDES:
        for some in [found] if isinstance(found, Coefficients) else found:
            if (np.abs(np.frexp(some.value)[0]) != 0.5).any():
                raise refusal(step)
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
    with torch.no_grad():
        result = torch.func.jvp(lambda *x: run(n, *x), tuple(torch.zeros_like(t) for t in tangents), tangents)[1]
    return [r.reshape(n, -1) for r in ([result] if isinstance(result, Tensor) else result)]


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
