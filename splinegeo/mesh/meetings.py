"""Where chords meet inside their regions: decided by combinatorics, placed by one linear interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .arrays import (
    Array,
    arange,
    bincount,
    columns,
    concat,
    full,
    lerp,
    positions,
    put_least,
    search,
    take,
    where,
    zero_between,
    zeros,
)
from .chords import Border, Chords
from .crossings import Births, Gaps
from .order import argsort_along, components, ragged_arange, unique
from .signs import EventTable
from .subdivision import distances


@dataclass(frozen=True)
class Meetings:
    """Inner vertices of the chords: X vertices and, chord after chord, which of them lie on it, in order.

    Attributes
    ----------
    chord, node : (n,)
        Sorted by chord, then from the chord's first end to its second; ``0 <= node < X``.
    births : Births
        The X vertices, each on one of its chords.
    gaps : Gaps
        Between neighbouring crossings on one chord.
    merged_node, merged_event : (m,)
        Crossings that were merged with a neighbour: the vertex they became, and the event that crossed there.
    """

    chord: Array
    node: Array
    births: Births
    gaps: Gaps
    merged_node: Array
    merged_event: Array


def interleaved(chords: Chords) -> tuple[Array, Array]:
    """Pairs (i, j) of chords that cross: strictly interleaved ends, ``a_i < a_j < b_i < b_j``.

    Sorted by first end, the candidates j of chord i are a contiguous range. Chords that share an end do not
    cross inside.
    """
    low = search(chords.first, chords.first, right=True)
    high = search(chords.first, chords.second)
    i, rank = ragged_arange((high - low).clip(min=0))
    j = take(low, i) + rank
    crossing = positions(take(chords.second, j) > take(chords.second, i))
    return take(i, crossing), take(j, crossing)


def meet(
    chords: Chords,
    border: Border,
    edge_births: Births,
    events: EventTable,
    vertices: Array,
    length_tolerance: float,
) -> Meetings:
    """All inner vertices of the chords.

    On chord i the event of chord j has opposite signs at the two ends, so one interpolation places the crossing.
    Crossings closer than the tolerance along a chord are one vertex, and so are those they are one with on
    other chords: m concurrent chords make one vertex of degree 2m.

    Parameters
    ----------
    vertices : (V + C, 2) old vertices, then those born on edges
    """
    i, j = interleaved(chords)
    n = len(i)
    chord = concat([i, j])
    other_event = take(chords.event, concat([j, i]))
    ends = take(border.vertex, chords.first), take(border.vertex, chords.second)
    t = _zero_along(events, edge_births, [take(end, chord) for end in ends], other_event)
    crossing = concat([arange(0, n, i)] * 2)
    length = distances(take(vertices, ends[0]), take(vertices, ends[1]))

    order = argsort_along(chord, t)
    chord_sorted, t_sorted, crossing_sorted = (take(x, order) for x in (chord, t, crossing))
    gaps = Gaps.between(chord_sorted, t_sorted, take(length, chord_sorted), length_tolerance)
    later = positions(gaps.merged)
    if not len(later):
        births = Births(columns(*(take(end, i) for end in ends)), t[:n])
        return Meetings(chord_sorted, crossing_sorted, births, gaps, later, later)
    near = components(n, crossing_sorted[later - 1], crossing_sorted[later])
    label = _meet_once(i, j, near)
    chord_sorted, crossing_sorted = _merge(chord, t, label[crossing], (label == near)[crossing])
    kept, node = unique(crossing_sorted)
    births = Births(columns(*(take(end, i[kept]) for end in ends)), t[kept])
    far = positions(label != near)
    merged = search(kept, label[concat([order[later] % n, far])])
    return Meetings(chord_sorted, node, births, gaps, merged, other_event[concat([order[later], far])])


def _meet_once(i: Array, j: Array, near: Array) -> Array:
    """Labels of the crossings (i, j), such that two chords that pass one vertex together cross there.

    Nearly parallel chords through a vertex of three or more may, by rounding, cross farther from it than the
    tolerance; straight lines meet once, so that crossing is the vertex too.

    Parameters
    ----------
    i, j : (n,) chords that cross, sorted
    near : (n,) smallest member of the crossings that each is within the tolerance of

    Returns
    -------
    (n,) smallest member of the largest group within the tolerance that each crossing now belongs to: it is placed best
    """
    n, n_chords = len(near), int(j.max()) + 1
    pair, label = i * n_chords + j, near
    while True:
        node, chord = _incomplete(i, j, label)
        one, other = _pairs_within(node)
        wanted = chord[one] * n_chords + chord[other]
        at = search(pair, wanted).clip(max=n - 1)
        elsewhere = positions((pair[at] == wanted) & (label[at] != node[one]))
        if not len(elsewhere):
            return _fullest(label, near)
        crossings = arange(0, n, i)
        there, here = at[elsewhere], node[one[elsewhere]]
        label = components(n, concat([crossings, there]), concat([label, here]))


def _incomplete(i: Array, j: Array, label: Array) -> tuple[Array, Array]:
    """(node, chord) incidences, sorted, of the nodes with fewer crossings than pairs of chords."""
    n, n_chords = len(label), int(j.max()) + 1
    n_members = bincount(label, n)
    shared = positions(n_members[label] > 1)
    incidence, _ = unique(concat([label[shared] * n_chords + chords[shared] for chords in (i, j)]))
    node, chord = incidence // n_chords, incidence % n_chords
    n_through = bincount(node, n)
    lacking = (n_members < n_through * (n_through - 1) // 2)[node]
    return node[lacking], chord[lacking]


def _pairs_within(group: Array) -> tuple[Array, Array]:
    """Positions p < q of all pairs of equal members of a sorted group."""
    end = search(group, group, right=True)
    first, rank = ragged_arange(end - arange(0, len(group), group) - 1)
    return first, first + 1 + rank


def _fullest(label: Array, near: Array) -> Array:
    """For each crossing the group `near` with the most members among those under its label, the lowest if several."""
    n = len(label)
    score = bincount(near, n)[near] * n + (n - 1 - near)
    best = -put_least(zeros(n, label), label, -score)
    return n - 1 - best[label] % n


def _zero_along(events: EventTable, edge_births: Births, ends: Sequence[Array], event: Array) -> Array:
    """Where along segments between two vertices, two (n,), the given events are zero, as fractions (n,)."""
    at_first, at_second = (_event_at(events, edge_births, end, event) for end in ends)
    t = zero_between(at_first, at_second)
    return where(t == t, t, 0.5).clip(0, 1)  # NaN: both ends are on the line, and anywhere between them will do


def _event_at(events: EventTable, edge_births: Births, vertex: Array, event: Array) -> Array:
    """Event values at old vertices, or at vertices born on edges."""
    n_old = len(events.values)
    born = vertex - n_old
    old = born < 0
    if not len(edge_births.t):
        return events.at(vertex, event)
    born = born.clip(min=0)
    parents = take(edge_births.parents, born)
    first, second = where(old, vertex, parents[:, 0]), where(old, vertex, parents[:, 1])
    return lerp(events.at(first, event), events.at(second, event), take(edge_births.t, born))


def _merge(chord: Array, t: Array, label: Array, own: Array) -> tuple[Array, Array]:
    """(chord, node) incidences in order along each chord, once each, when several crossings are one node.

    A node's members may lie a rounding apart on a chord; it stands at the first of its `own`, or of those that came
    to it from farther away where a chord has no other.
    """
    n_labels = int(label.max()) + 1
    incidence, member = unique(chord * n_labels + label)
    first = put_least(full(len(incidence), 4, t), member, where(own, t, t + 2))
    first = where(first < 2, first, first - 2)
    chord, label = incidence // n_labels, incidence % n_labels
    order = argsort_along(chord, first)
    return chord[order], label[order]
