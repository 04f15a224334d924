"""Refining a subdivision by the zero sets of events: all events, all regions and all windows at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .chords import Border, Chords, find_chords
from .crossings import Births, cross_edges, expand_loops, split_edges
from .linking import ChordEdges, cut_chords, link, trace_cycles
from .meetings import Meetings, meet
from .signs import EventTable
from .subdivision import Subdivision

# How much wider the tolerance of vertices becomes at each attempt, and how often: up to the size of the window.
_WIDER, _MOST_ATTEMPTS = 8.0, 13


@dataclass(frozen=True)
class Refinement:
    """A refined subdivision, and where its new vertices came from.

    Attributes
    ----------
    mesh : Subdivision
        Old vertices keep their numbers; those born on edges follow, then those born on chords.
    births : tuple of Births
        First on the old edges; then on chords, whose ends may be vertices of the first kind.
    parent : (R,) int
        The old region that each region is a part of.
    zero_vertex, zero_event : (n,) int
        New vertices and the events that are exactly zero there.
    merged_vertex, merged_event : (m,) int
        New vertices at which crossings closer than the tolerance were merged, and the events that crossed there.
    smallest_gap : float
        Smallest distance between neighbouring crossings that were kept apart, as a multiple of the tolerance.
    """

    mesh: Subdivision
    births: tuple[Births, Births]
    parent: Tensor
    zero_vertex: Tensor
    zero_event: Tensor
    merged_vertex: Tensor
    merged_event: Tensor
    smallest_gap: float

    def carry(self, values: Tensor) -> Tensor:
        """Extend (V, ...) values that are affine on every old region to the new vertices."""
        n = len(values)
        extended = values.new_empty((len(self.mesh.vertices), *values.shape[1:]))  # every row is written below
        extended[:n] = values
        for births in self.births:
            births.interpolate(extended[:n], out=extended[n : n + len(births.t)])
            n += len(births.t)
        return extended


def refine(
    mesh: Subdivision, events: EventTable, event_unit: Tensor, layer: int, length_tolerance: float
) -> Refinement:
    """Cut every region along the zero set of every event that changes sign in it.

    Parameters
    ----------
    mesh : Subdivision with V vertices
    events : EventTable over its vertices; each event is affine on every region
    event_unit : (m,) int, the unit that each event belongs to, which labels the new edges with `layer`
    length_tolerance : crossings closer than this on one segment are one vertex
    """
    crossings = cross_edges(mesh, events, length_tolerance)
    pieces = split_edges(mesh, crossings)
    half_edges, first_slot = expand_loops(mesh, crossings)
    on_edges = crossings.births
    vertices = torch.cat([mesh.vertices, on_edges.interpolate(mesh.vertices)])

    start = first_slot.index_select(0, mesh.offsets)
    size = start.diff()
    border = Border(
        half_edge=half_edges,
        vertex=pieces.reshape(-1).index_select(0, half_edges),
        region=torch.repeat_interleave(size),
        start=start[:-1],
        size=size,
    )
    chords = find_chords(mesh, events, crossings, border, first_slot)
    n_on_edges = len(vertices)
    meetings, chord_edges, cycles, offsets = _subdivide(chords, border, on_edges, events, vertices, length_tolerance)
    vertices = torch.cat([vertices, meetings.births.interpolate(vertices)])

    inner = torch.arange(n_on_edges, len(vertices), device=vertices.device)
    vertex_of_node = torch.cat([border.vertex, inner])
    codes = torch.cat([half_edges, torch.arange(2 * len(chord_edges.chord), device=inner.device) + 2 * len(pieces)])
    region_of = torch.cat([border.region, _region_of_half_edges(chords, chord_edges, border)])
    parent = region_of.index_select(0, cycles.index_select(0, offsets[:-1]))
    unit = event_unit.index_select(0, chords.event).index_select(0, chord_edges.chord)
    refined = Subdivision(
        vertices=vertices,
        edges=torch.cat([pieces, vertex_of_node.index_select(0, chord_edges.nodes.reshape(-1)).reshape(-1, 2)]),
        edge_layer=torch.cat([mesh.edge_layer.repeat_interleave(crossings.pieces), torch.full_like(unit, layer)]),
        edge_unit=torch.cat([mesh.edge_unit.repeat_interleave(crossings.pieces), unit]),
        loops=codes.index_select(0, cycles),
        offsets=offsets,
        window=mesh.window.index_select(0, parent),
    )
    return Refinement(
        mesh=refined,
        births=(on_edges, meetings.births),
        parent=parent,
        zero_vertex=torch.cat([len(mesh.vertices) + crossings.node, n_on_edges + meetings.node]),
        zero_event=torch.cat([crossings.event, chords.event.index_select(0, meetings.chord)]),
        merged_vertex=torch.cat(
            [len(mesh.vertices) + crossings.node[crossings.gaps.merged], n_on_edges + meetings.merged_node]
        ),
        merged_event=torch.cat([crossings.event[crossings.gaps.merged], meetings.merged_event]),
        smallest_gap=min(crossings.gaps.smallest, meetings.gaps.smallest),
    )


def _subdivide(
    chords: Chords, border: Border, on_edges: Births, events: EventTable, vertices: Tensor, length_tolerance: float
) -> tuple[Meetings, ChordEdges, Tensor, Tensor]:
    """Where the chords meet, the edges that this makes of them, and the regions' cycles with their offsets.

    Lines that are parallel but for a few roundings meet at places that rounding makes contradict one another. Euler's
    formula shows it, for a contradiction costs regions; then what is farther apart is taken for one vertex, too.
    """
    for attempt in range(_MOST_ATTEMPTS):
        meetings = meet(chords, border, on_edges, events, vertices, length_tolerance * _WIDER**attempt)
        chord_edges = cut_chords(chords, meetings, len(border.vertex))
        cycles, offsets = trace_cycles(link(chords, chord_edges, border))
        # A border ring is one region with as many edges as vertices; F chord edges and X vertices add F - X regions.
        if len(offsets) - 1 == len(border.start) + len(chord_edges.chord) - len(meetings.births.t):
            break
    return meetings, chord_edges, cycles, offsets


def _region_of_half_edges(chords: Chords, edges: ChordEdges, border: Border) -> Tensor:
    """(2F,) region that each chord half-edge lies in."""
    region = border.region.index_select(0, chords.first).index_select(0, edges.chord)
    return region.repeat_interleave(2)
