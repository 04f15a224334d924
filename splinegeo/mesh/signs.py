"""Every sign is decided once, stored in bits, and never evaluated again."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from ..chunks import rows_at_once
from .arrays import (
    Array,
    any_bit,
    arange,
    as_octets,
    columns,
    concat,
    flags,
    is_positive,
    least_row,
    minimum,
    pack,
    positions,
    take,
    tiny,
    unpack,
    where,
    zeros,
)

_WORD = 64


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

    values: Array
    positive: Array
    negative: Array
    smallest_margin: float
    n_zero: Array
    snapped: Array

    @property
    def n_events(self) -> int:
        """Number of events, m."""
        return self.values.shape[1]

    def at(self, vertex: Array, event: Array) -> Array:
        """Values at pairs (vertex, event)."""
        return take(self.values.reshape(-1), vertex * self.n_events + event)

    def sign(self, vertex: Array, event: Array) -> Array:
        """Decided signs (-1, 0, 1) at pairs (vertex, event)."""
        word, bit = event // _WORD, event % _WORD
        return ((self.positive[vertex, word] >> bit) & 1) - ((self.negative[vertex, word] >> bit) & 1)

    def zeros(self) -> tuple[Array, Array]:
        """Pairs (vertex, event) decided to be zero, for events that take both signs somewhere."""
        both = any_bit(self.positive) & any_bit(self.negative)
        return set_bits(~(self.positive | self.negative) & both)


def decide_signs(values: Array, tolerance: Array) -> EventTable:
    """Decide the sign of every event at every vertex, and snap in place what is within the tolerance of zero.

    Parameters
    ----------
    values : (V, m) float, contiguous; entries that are snapped become exactly 0
    tolerance : (m,) float, absolute, one per event
    """
    n_rows, n_events = values.shape
    n_words = max(1, -(-n_events // _WORD))
    uncertain = tolerance > 0  # otherwise nothing but zeros entered the value
    tolerance = tolerance.clip(min=tiny(values))
    positive, negative = zeros((n_rows, n_words), values), zeros((n_rows, n_words), values)
    n_zero = zeros(n_rows, values)
    step = rows_at_once(values, n_events)
    bits = flags(min(step, n_rows) * n_words * _WORD, False, values).reshape(-1, n_words * _WORD)
    every = pack((arange(0, n_words * _WORD, values) < n_events).reshape(1, -1))
    smallest, snapped = None, [zeros((0, 2), values)]
    for start in range(0, n_rows, step):
        rows = slice(start, start + step)
        chunk = values[rows]
        size = abs(chunk)
        least = least_row(size)
        own = bits[: len(chunk)]
        is_positive(chunk, out=own[:, :n_events])
        above = pack(own)
        below = above ^ every
        if not (least > tolerance).all():  # some signs are not what the values say
            decided = size > tolerance
            own[:, :n_events] = decided
            clear = pack(own)
            above, below = above & clear, below & clear
            least = least_row(where(decided, size, inf))
            n_zero[rows] = (~decided & uncertain).sum(1)
            entry = positions((~decided & (chunk != 0)).reshape(-1))
            snapped.append(columns(entry // n_events + start, entry % n_events))
            chunk *= decided
        positive[rows], negative[rows] = above, below
        smallest = least if smallest is None else minimum(smallest, least)
    margin = inf if smallest is None or not n_events else float((smallest / tolerance).min())
    return EventTable(values, positive, negative, margin, n_zero, concat(snapped).T)


def set_bits(words: Array) -> tuple[Array, Array]:
    """Row and bit index of every set bit of (n, W) words, in row order."""
    n_words = max(1, words.shape[1])
    words = words.reshape(-1)
    word = positions(words)
    octets = as_octets(take(words, word))
    octet = positions(octets)
    bit = positions(unpack(take(octets, octet)))
    octet = take(octet, bit >> 3)
    word = take(word, octet >> 3)
    return word // n_words, word % n_words * _WORD + (octet & 7) * 8 + (bit & 7)
