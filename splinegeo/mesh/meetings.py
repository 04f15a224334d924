"""Where chords meet inside their regions: decided by combinatorics, placed by one linear interpolation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .chords import Border, Chords
from .crossings import Births, Gaps
from .order import argsort_along, components, ragged_arange
from .signs import EventTable


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

    chord: Tensor
    node: Tensor
    births: Births
    gaps: Gaps
    merged_node: Tensor
    merged_event: Tensor


def interleaved(chords: Chords) -> tuple[Tensor, Tensor]:
    """Pairs (i, j) of chords that cross: strictly interleaved ends, ``a_i < a_j < b_i < b_j``.

    Sorted by first end, the candidates j of chord i are a contiguous range. Chords that share an end do not
    cross inside.
    """
    low = torch.searchsorted(chords.first, chords.first, right=True)
    high = torch.searchsorted(chords.first, chords.second)
    i, rank = ragged_arange((high - low).clamp(min=0))
    j = low.index_select(0, i) + rank
    crossing = chords.second.index_select(0, j) > chords.second.index_select(0, i)
    crossing = torch.nonzero(crossing)[:, 0]
    return i.index_select(0, crossing), j.index_select(0, crossing)


def meet(
    chords: Chords,
    border: Border,
    edge_births: Births,
    events: EventTable,
    vertices: Tensor,
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
    chord = torch.cat([i, j])
    other_event = chords.event.index_select(0, torch.cat([j, i]))
    ends = torch.stack([border.vertex.index_select(0, end) for end in (chords.first, chords.second)])
    t = _zero_along(events, edge_births, ends.index_select(1, chord), other_event)
    crossing = torch.arange(n, device=i.device).repeat(2)
    length = (vertices.index_select(0, ends[1]) - vertices.index_select(0, ends[0])).norm(dim=1)

    order = argsort_along(chord, t)
    chord_sorted, t_sorted, crossing_sorted = (x.index_select(0, order) for x in (chord, t, crossing))
    gaps = Gaps.between(chord_sorted, t_sorted, length.index_select(0, chord_sorted), length_tolerance)
    later = torch.nonzero(gaps.merged)[:, 0]
    if not len(later):
        births = Births(ends.index_select(1, i).T, t[:n])
        return Meetings(chord_sorted, crossing_sorted, births, gaps, later, later)
    near = components(n, crossing_sorted[later - 1], crossing_sorted[later])
    label = _meet_once(i, j, near)
    chord_sorted, crossing_sorted = _merge(chord, t, label[crossing], (label == near)[crossing])
    kept, node = torch.unique(crossing_sorted, return_inverse=True)
    births = Births(ends[:, i[kept]].T, t[kept])
    far = torch.nonzero(label != near)[:, 0]
    merged = torch.searchsorted(kept, label[torch.cat([order[later] % n, far])])
    return Meetings(chord_sorted, node, births, gaps, merged, other_event[torch.cat([order[later], far])])


def _meet_once(i: Tensor, j: Tensor, near: Tensor) -> Tensor:
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
        at = torch.searchsorted(pair, wanted).clamp(max=n - 1)
        elsewhere = torch.nonzero((pair[at] == wanted) & (label[at] != node[one]))[:, 0]
        if not len(elsewhere):
            return _fullest(label, near)
        crossings = torch.arange(n, device=i.device)
        there, here = at[elsewhere], node[one[elsewhere]]
        label = components(n, torch.cat([crossings, there]), torch.cat([label, here]))


def _incomplete(i: Tensor, j: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """(node, chord) incidences, sorted, of the nodes with fewer crossings than pairs of chords."""
    n, n_chords = len(label), int(j.max()) + 1
    n_members = torch.bincount(label, minlength=n)
    shared = torch.nonzero(n_members[label] > 1)[:, 0]
    incidence = torch.unique(torch.cat([label[shared] * n_chords + chords[shared] for chords in (i, j)]))
    node, chord = incidence // n_chords, incidence % n_chords
    n_through = torch.bincount(node, minlength=n)
    lacking = (n_members < n_through * (n_through - 1) // 2)[node]
    return node[lacking], chord[lacking]


def _pairs_within(group: Tensor) -> tuple[Tensor, Tensor]:
    """Positions p < q of all pairs of equal members of a sorted group."""
    end = torch.searchsorted(group, group, right=True)
    first, rank = ragged_arange(end - torch.arange(len(group), device=group.device) - 1)
    return first, first + 1 + rank


def _fullest(label: Tensor, near: Tensor) -> Tensor:
    """For each crossing the group `near` with the most members among those under its label, the lowest if several."""
    n = len(label)
    score = torch.bincount(near, minlength=n)[near] * n + (n - 1 - near)
    best = torch.zeros_like(score).scatter_reduce(0, label, score, "amax")
    return n - 1 - best[label] % n


def _zero_along(events: EventTable, edge_births: Births, ends: Tensor, event: Tensor) -> Tensor:
    """Where along segments between two vertices (2, n) the given events are zero, as fractions (n,)."""
    at_first, at_second = (_event_at(events, edge_births, end, event) for end in ends)
    return (at_first / (at_first - at_second)).nan_to_num(0.5).clamp(0, 1)


def _event_at(events: EventTable, edge_births: Births, vertex: Tensor, event: Tensor) -> Tensor:
    """Event values at old vertices, or at vertices born on edges."""
    n_old = len(events.values)
    born = vertex - n_old
    old = born < 0
    if not len(edge_births.t):
        return events.at(vertex, event)
    born = born.clamp(min=0)
    first, second = edge_births.parents.index_select(0, born).unbind(1)
    first, second = torch.where(old, vertex, first), torch.where(old, vertex, second)
    return torch.lerp(events.at(first, event), events.at(second, event), edge_births.t.index_select(0, born))


def _merge(chord: Tensor, t: Tensor, label: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """(chord, node) incidences in order along each chord, once each, when several crossings are one node.

    A node's members may lie a rounding apart on a chord; it stands at the first of its `own`, or of those that came
    to it from farther away where a chord has no other.
    """
    n_labels = int(label.max()) + 1
    incidence, member = torch.unique(chord * n_labels + label, return_inverse=True)
    first = torch.full((len(incidence),), 4.0, dtype=t.dtype, device=t.device)
    first = first.scatter_reduce(0, member, torch.where(own, t, t + 2), "amin")
    first = torch.where(first < 2, first, first - 2)
    chord, label = incidence // n_labels, incidence % n_labels
    order = argsort_along(chord, first)
    return chord[order], label[order]
