"""Every sign is decided once, stored in bits, and never evaluated again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_WORD = 64
_CHUNK_ELEMENTS = 2**17  # one megabyte of float64: the passes below stay in cache
_GATHER_BITS = 0x0102040810204080  # multiplies eight 0/1 bytes into the top byte of a word


@dataclass(frozen=True)
class EventTable:
    """Decided signs of m events at V vertices, with the values they came from.

    Attributes
    ----------
    values : (V, m) float
        Snapped: exactly 0 where the sign was decided to be zero.
    positive, negative : (V, ceil(m / 64)) int64
        Bit j of a row says that event j is positive (negative) there; neither bit means zero.
    smallest_margin : float
        Smallest nonzero ``|value| / tolerance`` (at least 1); infinity if every value was zero.
    n_zero : (V,) int
        Values decided to be zero at each vertex, of events whose tolerance is not itself zero.
    snapped : (2, n) int
        Pairs (vertex, event) of values within the tolerance, yet not exactly zero.
    """

    values: Tensor
    positive: Tensor
    negative: Tensor
    smallest_margin: float
    n_zero: Tensor
    snapped: Tensor

    @property
    def n_events(self) -> int:
        """Number of events, m."""
        return self.values.shape[1]

    def at(self, vertex: Tensor, event: Tensor) -> Tensor:
        """Values at pairs (vertex, event)."""
        return self.values.reshape(-1).index_select(0, vertex * self.n_events + event)

    def sign(self, vertex: Tensor, event: Tensor) -> Tensor:
        """Decided signs (-1, 0, 1) at pairs (vertex, event)."""
        word, bit = event // _WORD, event % _WORD
        return ((self.positive[vertex, word] >> bit) & 1) - ((self.negative[vertex, word] >> bit) & 1)

    def zeros(self) -> tuple[Tensor, Tensor]:
        """Pairs (vertex, event) decided to be zero, for events that take both signs somewhere."""
        both = _any_row(self.positive) & _any_row(self.negative)
        return set_bits(~(self.positive | self.negative) & both)


def decide_signs(values: Tensor, tolerance: Tensor) -> EventTable:
    """Decide the sign of every event at every vertex, and snap in place what is within the tolerance of zero.

    Parameters
    ----------
    values : (V, m) float, contiguous; entries that are snapped become exactly 0
    tolerance : (m,) float, absolute, one per event
    """
    n_rows, n_events = values.shape
    width = -(-n_events // _WORD) * _WORD
    uncertain = tolerance > 0  # otherwise nothing but zeros entered the value
    tolerance = tolerance.clamp(min=torch.finfo(values.dtype).tiny)
    positive = torch.zeros((n_rows, width // _WORD), dtype=torch.int64, device=values.device)
    negative = torch.zeros_like(positive)
    step = n_rows if values.is_cuda else max(1, _CHUNK_ELEMENTS // max(n_events, 1))
    flags = torch.zeros((min(step, n_rows), width), dtype=torch.bool, device=values.device)
    every = _pack(torch.arange(width, device=values.device) < n_events)
    smallest = torch.full((n_events,), torch.inf, dtype=values.dtype, device=values.device)
    n_zero = torch.zeros(n_rows, dtype=torch.int64, device=values.device)
    snapped = [n_zero.new_zeros((2, 0))]
    for start in range(0, n_rows, max(step, 1)):
        rows = slice(start, start + step)
        chunk = values[rows]
        size = chunk.abs()
        least = size.amin(0)
        bits = flags[: len(chunk)]
        torch.gt(chunk, 0, out=bits[:, :n_events])
        above = _pack(bits)
        below = above ^ every
        if not (least > tolerance).all():  # some signs are not what the values say
            decided = bits[:, :n_events].copy_(size > tolerance)
            clear = _pack(bits)
            above, below = above & clear, below & clear
            least = torch.where(decided, size, torch.inf).amin(0)
            n_zero[rows] = (~decided & uncertain).sum(1)
            row, event = torch.nonzero(~decided & (chunk != 0), as_tuple=True)
            snapped.append(torch.stack([row + start, event]))
            chunk.mul_(decided)
        positive[rows], negative[rows] = above, below
        smallest = torch.minimum(smallest, least)
    margin = float((smallest / tolerance).amin()) if n_events else torch.inf
    return EventTable(values, positive, negative, margin, n_zero, torch.cat(snapped, dim=1))


def set_bits(words: Tensor) -> tuple[Tensor, Tensor]:
    """Row and bit index of every set bit of (n, W) words, in row order."""
    row, word = torch.nonzero(words, as_tuple=True)
    octets = words[row, word].reshape(-1, 1).view(torch.uint8)
    which, octet = torch.nonzero(octets, as_tuple=True)
    shifts = torch.arange(8, dtype=torch.uint8, device=words.device)
    entry, bit = torch.nonzero((octets[which, octet].unsqueeze(1) >> shifts) & 1, as_tuple=True)
    source = which.index_select(0, entry)
    event = word.index_select(0, source) * _WORD + octet.index_select(0, entry) * 8 + bit
    return row.index_select(0, source), event


def _pack(flags: Tensor) -> Tensor:
    """(..., 64 W) booleans to (..., W) words, flag j at bit j % 64 of word j // 64."""
    eights = flags.view(torch.int64) * _GATHER_BITS >> 56
    return eights.to(torch.uint8).view(torch.int64)


def _any_row(words: Tensor) -> Tensor:
    """Bitwise or over the rows of (n, W) words: PyTorch has no such reduction, so by halving off the host."""
    if words.device.type == "cpu":
        return torch.from_numpy(np.bitwise_or.reduce(words.numpy(), axis=0))
    while len(words) > 1:
        half = (len(words) + 1) // 2
        words = torch.cat([words[: len(words) - half] | words[half:], words[len(words) - half : half]])
    return words.reshape(-1) if len(words) else words.new_zeros(words.shape[1])
