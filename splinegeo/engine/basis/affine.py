"""Affine operators executed on the rows of a basis.

A live tensor of a tile is ``row 0 + x row 1 + y row 2 + sum_k column_k row_(3 + k)``. An affine operator maps it by
executing the operator itself on row 0, and its linear part on all other rows: nothing becomes a matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...chunks import rows_at_once
from ...network import Environment, Program, Step
from ...network.table import CONVOLUTIONS, PRODUCTS

# Which of the positional arguments is added as it is, once no operand stands there that depends on the input.
_ADDED = {"linear": 2, "addmm": 0, "addmv": 0, "addbmm": 0, "baddbmm": 0, "addcmul": 0}
_ADDED |= dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), 2)
_ADDED |= dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 2)
_SUMS = {"add", "sub", "rsub", "subtract"}
_NORMS = {"batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm", "cudnn_batch_norm"}


@dataclass(frozen=True)
class Odd:
    """A result whose rows do not lie in its first dimension: on all rows, and on one row of zeros.

    Between two such operators the constants stand in every row; the first result that is in rows again loses them.
    """

    rows: Any
    zero: Any
    n_rows: int


@dataclass(frozen=True)
class Linear:
    """A network's affine steps, on rows of bases.

    Attributes
    ----------
    network : Program
    in_rows : names of results that have one row for each row of the batch
    """

    network: Program
    in_rows: frozenset[str]
    _images: dict[str, Any] = field(default_factory=dict)

    def execute(self, step: Step, live: Environment, n_tiles: int, n_most: int) -> None:
        """Run one step on live tensors (T, r, ...), of which none has more than `n_most` rows a tile."""
        operands = {name: live[name] for name in step.inputs() if name in live}
        if step.operator == "getitem":
            (source,) = operands.values()
            live[step.name] = _item(source, step.args[1])
            return
        if any(isinstance(x, Odd) for x in operands.values()) or step.name not in self.in_rows:
            live[step.name] = self._oddly(step, operands, n_tiles, n_most)
            return
        n_rows = max(rows_of(x) for x in operands.values())
        flat = {name: padded(x, n_rows).flatten(0, 1) for name, x in operands.items()}
        result = self._linear_part(step, flat, n_tiles * n_rows)
        if isinstance(result, Tensor):
            live[step.name] = self._with_constants(step, result, operands, n_tiles, n_rows)
        else:
            constants = self._image(step, operands)
            live[step.name] = [
                _set_first(_by_tile(part, n_tiles, n_rows), constant, step.operator in _NORMS) if part.numel() else part
                for part, constant in zip(result, constants, strict=True)
            ]

    def _linear_part(self, step: Step, operands: Environment, n: int) -> Any:
        """The step without its constants on rows (n, ...), wherever that can be said without a difference."""
        bound, kwargs = self.network.bind(step, operands, n)
        args = list(bound)
        if step.operator in _NORMS:
            x, weight, bias, mean, *rest = args
            args = [x, weight, None if bias is None else torch.zeros_like(bias), torch.zeros_like(mean), *rest]
        elif step.operator in _SUMS:
            pairs = zip(step.args, args, strict=True)
            args = [arg if _depends(leaf, operands) else _zero(arg) for leaf, arg in pairs]
        elif step.operator in _ADDED:
            place = _ADDED[step.operator]
            if place < len(args) and not _depends(step.args[place], operands):
                args[place] = None if step.operator in PRODUCTS or place else _zero(args[place])
            if kwargs.get("bias") is not None:
                kwargs = {**kwargs, "bias": None}
        if step.operator in CONVOLUTIONS and isinstance(args[0], Tensor):
            return _in_chunks(step.target, args, kwargs)
        return step.target(*args, **kwargs)

    def _with_constants(self, step: Step, result: Tensor, operands: Environment, n_tiles: int, n_rows: int) -> Tensor:
        result = _by_tile(result, n_tiles, n_rows)
        known = step.operator in _NORMS or step.operator in _SUMS or step.operator in _ADDED
        constant = self._image(step, operands)
        if constant is None:
            return result
        if any(result.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() for x in operands.values()):
            result = result.clone()
        if known:
            result[:, 0] += constant[0]
        else:
            result[:, 1:] -= constant
        return result

    def _image(self, step: Step, operands: Mapping[str, Any]) -> Any:
        """(1, ...) what the step makes of zeros; None if that is zero."""
        if step.name not in self._images:
            zeros = {name: torch.zeros_like(x[:1, 0]) for name, x in operands.items()}
            args, kwargs = self.network.bind(step, zeros, 1)
            image = step.target(*args, **kwargs)
            if isinstance(image, Tensor):
                self._images[step.name] = image if bool((image != 0).any()) else None
            else:
                self._images[step.name] = [part if bool((part != 0).any()) else None for part in image]
        return self._images[step.name]

    def _oddly(self, step: Step, operands: Mapping[str, Any], n_tiles: int, n_rows: int) -> Any:
        """The step as it is, on rows that lie anywhere."""
        rows = {n: x.rows if isinstance(x, Odd) else padded(x, n_rows).flatten(0, 1) for n, x in operands.items()}
        zero = {n: x.zero if isinstance(x, Odd) else torch.zeros_like(x[:1, 0]) for n, x in operands.items()}
        args, kwargs = self.network.bind(step, rows, n_tiles * n_rows)
        result = step.target(*args, **kwargs)
        args, kwargs = self.network.bind(step, zero, 1)
        image = step.target(*args, **kwargs)
        if step.name not in self.in_rows:
            return Odd(result, image, n_rows)
        result = _by_tile(result, n_tiles, n_rows).clone()
        result[:, 1:] -= image
        return result


def rows_of(x: Any) -> int:
    """Number of basis rows of a live tensor."""
    if isinstance(x, Odd):
        return x.n_rows
    return int(x.shape[1] if isinstance(x, Tensor) else x[0].shape[1])


def _item(source: Any, index: int) -> Any:
    if isinstance(source, Odd):
        return Odd(source.rows[index], source.zero[index], source.n_rows)
    return source[index]


def padded(x: Tensor, n_rows: int) -> Tensor:
    """With rows of zeros for columns that it does not depend on."""
    if x.shape[1] == n_rows:
        return x
    result = x.new_zeros(len(x), n_rows, *x.shape[2:])
    result[:, : x.shape[1]] = x
    return result


def _by_tile(x: Tensor, n_tiles: int, n_rows: int) -> Tensor:
    return x.reshape(n_tiles, n_rows, *x.shape[1:])


def _set_first(x: Tensor, constant: Tensor | None, is_linear: bool) -> Tensor:
    if constant is None:
        return x
    x = x.clone()
    if is_linear:
        x[:, 0] += constant[0]
    else:
        x[:, 1:] -= constant
    return x


def _depends(leaf: Any, operands: Mapping[str, Any]) -> bool:
    return getattr(leaf, "name", None) in operands


def _zero(constant: Any) -> Any:
    return torch.zeros_like(constant) if isinstance(constant, Tensor) else 0


def _in_chunks(target: Any, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    """A convolution on so few rows at a time that its workspace stays small: it lays the patches side by side."""
    x, weight, *rest = args
    first = target(x[:1], weight, *rest, **kwargs)
    step = rows_at_once(x, first[0, 0].numel() * weight[0].numel())
    if step >= len(x):
        return target(x, weight, *rest, **kwargs)
    result = first.new_zeros((len(x), *first.shape[1:]))
    for chunk, place in zip(x.split(step), result.split(step), strict=True):
        place.copy_(target(chunk, weight, *rest, **kwargs))
    return result
