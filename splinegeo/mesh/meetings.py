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
    length = (vertices[ends[1]] - vertices[ends[0]]).norm(dim=1)

    order = argsort_along(chord, t)
    chord_sorted, t_sorted, crossing_sorted = chord[order], t[order], crossing[order]
    gaps = Gaps.between(chord_sorted, t_sorted, length.index_select(0, chord_sorted), length_tolerance)
    later = torch.nonzero(gaps.merged)[:, 0]
    if not len(later):
        births = Births(ends[:, i].T, t[:n])
        return Meetings(chord_sorted, crossing_sorted, births, gaps, later, later)
    merged = crossing_sorted[later]
    label = components(n, crossing_sorted[later - 1], merged)
    chord_sorted, crossing_sorted = _merge(chord, t, label[crossing])
    kept, node = torch.unique(crossing_sorted, return_inverse=True)
    births = Births(ends[:, i[kept]].T, t[kept])
    merged_node = torch.searchsorted(kept, label[merged])
    return Meetings(chord_sorted, node, births, gaps, merged_node, other_event[order[later]])


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


def _merge(chord: Tensor, t: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """(chord, node) incidences in order along each chord, once each, when several crossings are one node.

    A node's members may lie a rounding apart on a chord; it stands at the first of them.
    """
    n_labels = int(label.max()) + 1
    incidence, member = torch.unique(chord * n_labels + label, return_inverse=True)
    first = torch.full((len(incidence),), 2.0, dtype=t.dtype, device=t.device).scatter_reduce(0, member, t, "amin")
    chord, label = incidence // n_labels, incidence % n_labels
    order = argsort_along(chord, first)
    return chord[order], label[order]
