"""Chords: an event that changes sign inside a convex region cuts it along one straight segment."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import (
    Array,
    arange,
    argsort,
    bincount,
    concat,
    positions,
    put,
    put_least,
    take,
    zeros,
)
from .crossings import Crossings
from .order import argsort_within, is_first, ragged_arange
from .signs import EventTable
from .subdivision import Subdivision


@dataclass(frozen=True)
class Border:
    """The regions' loops after their edges were split, as a ring of numbered positions per region.

    Attributes
    ----------
    half_edge, vertex, region : (S',)
        Half-edge that leaves each position, its source vertex, the region it bounds.
    start, size : (R,)
        First position and number of positions of each region's ring.
    """

    half_edge: Array
    vertex: Array
    region: Array
    start: Array
    size: Array

    def next(self) -> Array:
        """(S',) the following position, cyclically."""
        following = arange(1, len(self.vertex) + 1, self.vertex)
        return put(following, self.start + self.size - 1, self.start)


@dataclass(frozen=True)
class Chords:
    """Segments that cut regions, sorted by their first end.

    Attributes
    ----------
    first, second : (c,) border positions, ``first < second``, of one region
    event : (c,) the event that is zero along the chord (the lowest one where several coincide)
    """

    first: Array
    second: Array
    event: Array


def find_chords(
    mesh: Subdivision, events: EventTable, crossings: Crossings, border: Border, first_slot: Array
) -> Chords:
    """Every (region, event) pair that is cut, as the pair of border positions where the zero set enters and leaves.

    A region that an event cuts is entered and left exactly once, through a new vertex or through an old vertex
    where the event was decided to be zero. Events that cut a region along the same segment give one chord.
    """
    position, event = _strict_ends(mesh, crossings, first_slot)
    before = zeros(len(position), position)  # strict crossings need no check
    zero_position, zero_event, zero_before = _zero_ends(mesh, events, first_slot)
    if len(zero_position):
        position = concat([position, zero_position])
        event = concat([event, zero_event])
        before = concat([before, zero_before])

    region = take(border.region, position)
    cut = region * events.n_events + event
    order = argsort_within(cut, position - take(border.start, region), int(border.size.max()))
    cut, position, event, before = (take(x, order) for x in (cut, position, event, before))

    # Pair up: ranks 0 and 1 of each cut. A single end only touches; two zero ends with the same sign on both
    # arcs between them touch as well (an existing edge lies on the zero set).
    if len(zero_position):
        pairs = _pairs(cut)
        touches = (before[pairs] != 0) & (before[pairs] == before[pairs + 1])
        pairs = pairs[~touches]
    else:
        pairs = 2 * arange(0, len(cut) // 2, cut)
    first, second = take(position, pairs), take(position, pairs + 1)
    return _distinct(Chords(first, second, take(event, pairs)), border)


def _pairs(cut: Array) -> Array:
    """Index of the first member of every pair of neighbours within a group of equal `cut`."""
    first = is_first(cut)
    start = positions(first)
    rank = arange(0, len(cut), cut) - take(start, first.cumsum(0) - 1)
    return positions((rank[:-1] % 2 == 0) & (cut[1:] == cut[:-1]))


def _strict_ends(mesh: Subdivision, crossings: Crossings, first_slot: Array) -> tuple[Array, Array]:
    """Border positions of the new vertices, from both sides of their edges, and the events that made them."""
    slots = mesh.slot_of_half_edge()
    rank = crossings.rank()
    n_nodes = take(crossings.pieces, crossings.edge) - 1
    position, event = [], []
    for backward, step in ((0, rank + 1), (1, n_nodes - rank)):
        slot = take(slots, 2 * crossings.edge + backward)
        inside = positions(slot >= 0)
        position.append(take(first_slot, take(slot, inside)) + take(step, inside))
        event.append(take(crossings.event, inside))
    return concat(position), concat(event)


def _zero_ends(mesh: Subdivision, events: EventTable, first_slot: Array) -> tuple[Array, Array, Array]:
    """Old vertices where an event is zero, seen from each region around: position, event, sign just before.

    Of a run of neighbouring zeros only the first counts: the rest lies along an existing edge.
    """
    vertex, event = events.zeros()
    if not len(vertex):
        return vertex, event, event
    loop_vertex = mesh.loop_vertices()
    by_vertex = argsort(loop_vertex)
    degree = bincount(loop_vertex, len(mesh.vertices))
    start = degree.cumsum(0) - degree
    owner, rank = ragged_arange(degree[vertex])
    slot = by_vertex[start[vertex[owner]] + rank]
    event = event[owner]
    previous = put(zeros(len(loop_vertex), loop_vertex), mesh.next_slot(), loop_vertex)
    before = events.sign(previous[slot], event)
    starts_run = before != 0
    return first_slot[slot[starts_run]], event[starts_run], before[starts_run]


def _distinct(chords: Chords, border: Border) -> Chords:
    """Sorted by first end; chords with both ends in common become one, chords along an existing edge none."""
    span = chords.second - chords.first
    size = take(border.size, take(border.region, chords.first))
    along_edge = (span == 1) | (span == size - 1)
    if along_edge.any():
        chords = Chords(chords.first[~along_edge], chords.second[~along_edge], chords.event[~along_edge])
        span = span[~along_edge]
    order = argsort_within(chords.first, span, int(border.size.max()))
    first, second, event = (take(x, order) for x in (chords.first, chords.second, chords.event))
    new = is_first(first, second)
    if not new.all():
        lowest = put_least(event[new], new.cumsum(0) - 1, event)
        first, second, event = first[new], second[new], lowest
    return Chords(first, second, event)
