"""Numbers as callers give them: lists, arrays, tensors of any device and format, with or without a graph behind them.

One rule everywhere: results are measurements, not functions to differentiate, so tensors that require gradients are
taken as the numbers that they hold. Complex numbers are refused rather than cut in half, and so is what float64 cannot
hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import InvalidInputError


def real_array(values: Any, name: str) -> NDArray[np.float64]:
    """A float64 copy, of any shape; NaN and infinity pass.

    Raises
    ------
    InvalidInputError
        If there is anything else than real numbers that float64 can hold; says so of `name`.

    Examples
    --------
    >>> real_array([torch.ones(2, requires_grad=True), [1, 2]], "x")
    array([[1., 1.],
           [1., 2.]])
    """
    array = _numbers(values, name)
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise InvalidInputError(f"{name} contains a number that is too large for float64") from error
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be real numbers: {error}") from error


def real_tensor(values: Any, name: str) -> Tensor:
    """A detached tensor in its own format, where it lies; anything but a tensor is copied to the CPU.

    Raises
    ------
    InvalidInputError
        As `real_array`.
    """
    if isinstance(values, Tensor):
        _require_real(values.is_complex(), name)
        return values.detach()
    array = _numbers(values, name)
    return torch.from_numpy(real_array(array, name) if array.dtype.kind == "O" else array)


def real_number(value: Any, name: str) -> float:
    """One number, which may be NaN or infinite.

    Raises
    ------
    InvalidInputError
        As `real_array`, and for several numbers.
    """
    array = real_array(value, name)
    if array.ndim:
        raise InvalidInputError(f"{name} must be one number, not an array of shape {array.shape}")
    return float(array)


def _numbers(values: Any, name: str) -> NDArray[Any]:
    try:
        array = np.array(_without_graph(values))
    except ValueError as error:
        raise InvalidInputError(f"{name} must be numbers, or rows of one shape: {error}") from error
    _require_real(array.dtype.kind == "c", name)
    if array.dtype.kind not in "biufO":
        raise InvalidInputError(f"{name} must be real numbers, not {array.dtype}")
    return array


def _without_graph(values: Any) -> Any:
    """Tensors, also within lists, as NumPy arrays; bfloat16, which NumPy has not, in float32."""
    if isinstance(values, Tensor):
        plain = values.detach().cpu()
        return plain.float().numpy() if plain.dtype is torch.bfloat16 else plain.numpy()
    if isinstance(values, list | tuple):
        return [_without_graph(value) for value in values]
    return values


def _require_real(is_complex: bool, name: str) -> None:
    if is_complex:
        raise InvalidInputError(f"{name} must be real numbers, not complex ones: give real and imaginary parts as two")
