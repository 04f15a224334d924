"""One vocabulary for two libraries: a subdivision is NumPy arrays on the host, PyTorch tensors on a GPU.

Refinement is hundreds of short operations a layer. On the host each costs NumPy a third of what it costs PyTorch; on a
GPU only PyTorch has them. So the package is written once, in these words and in the operators, slices and methods that
both libraries share. All arrays of a subdivision are of one kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array: TypeAlias = Any  # np.ndarray or Tensor: no common type has the operators of both

_GATHER_BITS = 0x0102040810204080  # multiplies eight 0/1 bytes into the top byte of a word


def as_tensor(x: Array) -> Tensor:
    """The array as a tensor that shares its memory."""
    return torch.from_numpy(x) if isinstance(x, np.ndarray) else x


def as_array(x: Tensor) -> Array:
    """A tensor as the kind of array that subdivisions on its device are made of, sharing its memory."""
    return x.numpy() if x.device.type == "cpu" else x


def on_host(x: Array) -> NDArray[Any]:
    """The array as one of NumPy."""
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def zeros(shape: int | tuple[int, ...], like: Array) -> Array:
    """Integer zeros where `like` lives."""
    if isinstance(like, np.ndarray):
        return np.zeros(shape, np.int64)
    return torch.zeros(shape, dtype=torch.int64, device=like.device)


def full(n: int, value: float, like: Array) -> Array:
    """(n,) equal numbers, of the kind and format of `like`."""
    return np.full(n, value, like.dtype) if isinstance(like, np.ndarray) else like.new_full((n,), value)


def flags(n: int, value: bool, like: Array) -> Array:
    """(n,) booleans where `like` lives."""
    return np.full(n, value) if isinstance(like, np.ndarray) else torch.full((n,), value, device=like.device)


def arange(start: int, stop: int, like: Array) -> Array:
    """Integers from start to stop - 1 where `like` lives."""
    return np.arange(start, stop) if isinstance(like, np.ndarray) else torch.arange(start, stop, device=like.device)


def tiny(x: Array) -> float:
    """Smallest normal number of the format of x."""
    return float((np if isinstance(x, np.ndarray) else torch).finfo(x.dtype).tiny)


def take(x: Array, rows: Array) -> Array:
    """The given rows: ``x[rows]``, in the faster of the ways to say so."""
    return x.take(rows, axis=0) if isinstance(x, np.ndarray) else x.index_select(0, rows)


def put(x: Array, rows: Array, values: Array) -> Array:
    """``x[rows] = values`` in place, for one column."""
    if isinstance(x, np.ndarray):
        x[rows] = values
        return x
    return x.scatter_(0, rows, values)


def put_least(x: Array, rows: Array, values: Array) -> Array:
    """``x[rows] = min(x[rows], values)`` in place, for one column; rows may repeat."""
    if isinstance(x, np.ndarray):
        np.minimum.at(x, rows, values)
        return x
    return x.scatter_reduce_(0, rows, values, "amin")


def ascending(x: Array) -> Array:
    """Running maximum of a column."""
    return np.maximum.accumulate(x) if isinstance(x, np.ndarray) else x.cummax(dim=0).values


def whole(x: Array) -> Array:
    """Numbers rounded towards zero, as integers."""
    return x.astype(np.int64) if isinstance(x, np.ndarray) else x.long()


def concat(parts: Sequence[Array]) -> Array:
    """Row after row."""
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else torch.cat(list(parts))


def columns(first: Array, second: Array) -> Array:
    """(n, 2) from two columns."""
    if isinstance(first, np.ndarray):
        both = np.zeros((len(first), 2), first.dtype)
        both[:, 0], both[:, 1] = first, second
        return both
    return torch.stack([first, second], dim=1)


def repeat(x: Array, counts: Array | int) -> Array:
    """Every row as many times as counted."""
    return np.repeat(x, counts, axis=0) if isinstance(x, np.ndarray) else x.repeat_interleave(counts, dim=0)


def where(condition: Array, one: Any, other: Any) -> Array:
    """Element by element, `one` where the condition holds and `other` where not."""
    return np.where(condition, one, other) if isinstance(condition, np.ndarray) else torch.where(condition, one, other)


def minimum(one: Array, other: Array) -> Array:
    """Element by element."""
    return np.minimum(one, other) if isinstance(one, np.ndarray) else torch.minimum(one, other)


def least_row(x: Array) -> Array:
    """(m,) smallest entry of each column."""
    return x.min(0) if isinstance(x, np.ndarray) else x.amin(0)


def lerp(one: Array, other: Array, t: Array) -> Array:
    """Linear interpolation, exact at both ends; on the host by PyTorch too, so that all devices round alike."""
    if isinstance(one, np.ndarray):
        return torch.lerp(torch.from_numpy(one), torch.from_numpy(other), torch.from_numpy(t)).numpy()
    return torch.lerp(one, other, t)


def zero_between(one: Array, other: Array) -> Array:
    """Where a linear function with these values at two ends is zero, as a fraction; NaN where it is zero at both."""
    with np.errstate(all="ignore"):  # as PyTorch does
        return one / (one - other)


def positions(condition: Array) -> Array:
    """(n,) where a column of booleans or numbers is not zero."""
    return condition.nonzero()[0] if isinstance(condition, np.ndarray) else torch.nonzero(condition)[:, 0]


def bincount(x: Array, n: int) -> Array:
    """(n,) how often each of the numbers below n occurs."""
    return np.bincount(x, minlength=n) if isinstance(x, np.ndarray) else torch.bincount(x, minlength=n)


def search(ordered: Array, x: Array, right: bool = False) -> Array:
    """How many entries of an ascending column come before each x; those equal to it too, if `right`."""
    if isinstance(x, np.ndarray):
        return np.searchsorted(ordered, x, side="right" if right else "left")
    return torch.searchsorted(ordered, x, right=right)


def argsort(key: Array, stable: bool = True) -> Array:
    """Order of a column; equal entries stay in theirs, if `stable`."""
    if not isinstance(key, np.ndarray):
        return torch.sort(key, stable=stable).indices
    # Sorting with vector instructions is several times as fast, but not stable: of no matter where no keys are equal.
    order = np.argsort(key)
    ordered = key.take(order)
    return np.argsort(key, kind="stable") if stable and (ordered[1:] == ordered[:-1]).any() else order


def pack(bits: Array) -> Array:
    """(n, 64 W) booleans to (n, W) words, flag j at bit j % 64 of word j // 64."""
    if isinstance(bits, np.ndarray):
        return np.packbits(bits, axis=1, bitorder="little").view(np.int64)
    eights = bits.view(torch.int64) * _GATHER_BITS >> 56
    return eights.to(torch.uint8).view(torch.int64)


def unpack(octets: Array) -> Array:
    """(n,) bytes to (8 n,) bits, the lowest of each byte first."""
    if isinstance(octets, np.ndarray):
        return np.unpackbits(octets, bitorder="little")
    shifts = torch.arange(8, dtype=torch.uint8, device=octets.device)
    return ((octets.unsqueeze(1) >> shifts) & 1).reshape(-1)


def as_octets(words: Array) -> Array:
    """(n,) words to their (8 n,) bytes, the lowest of each word first."""
    return words.view(np.uint8 if isinstance(words, np.ndarray) else torch.uint8)


def is_positive(x: Array, out: Array) -> None:
    """``out[...] = x > 0``."""
    np.greater(x, 0, out=out) if isinstance(x, np.ndarray) else torch.gt(x, 0, out=out)


def any_bit(words: Array) -> Array:
    """(W,) bitwise or over the rows of (n, W) words: PyTorch has no such reduction, so by halving."""
    if isinstance(words, np.ndarray):
        return np.bitwise_or.reduce(words, axis=0)
    while len(words) > 1:
        half = (len(words) + 1) // 2
        words = torch.cat([words[: len(words) - half] | words[half:], words[len(words) - half : half]])
    return words.reshape(-1) if len(words) else words.new_zeros(words.shape[1])
