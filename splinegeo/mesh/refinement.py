"""Refining a subdivision by the zero sets of events: all events, all regions and all windows at once."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .arrays import Array, arange, concat, repeat, take, zeros
from .chords import Border, Chords, find_chords
from .crossings import Births, cross_edges, expand_loops, split_edges
from .linking import ChordEdges, cut_chords, link, trace_cycles
from .meetings import Meetings, meet
from .order import owners
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
    parent: Array
    zero_vertex: Array
    zero_event: Array
    merged_vertex: Array
    merged_event: Array
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


def refine(mesh: Subdivision, events: EventTable, event_unit: Array, layer: int, length_tolerance: float) -> Refinement:
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
    vertices = concat([mesh.vertices, on_edges.place(mesh.vertices)])

    start = take(first_slot, mesh.offsets)
    size = start[1:] - start[:-1]
    border = Border(
        half_edge=half_edges,
        vertex=take(pieces.reshape(-1), half_edges),
        region=owners(size),
        start=start[:-1],
        size=size,
    )
    chords = find_chords(mesh, events, crossings, border, first_slot)
    n_on_edges = len(vertices)
    meetings, chord_edges, cycles, offsets = _subdivide(chords, border, on_edges, events, vertices, length_tolerance)
    vertices = concat([vertices, meetings.births.place(vertices)])

    n_pieces, n_edges = len(pieces), len(pieces) + len(chord_edges.chord)
    vertex_of_node = concat([border.vertex, arange(n_on_edges, len(vertices), vertices)])
    codes = concat([half_edges, arange(2 * n_pieces, 2 * n_edges, vertices)])
    region_of = concat([border.region, _region_of_half_edges(chords, chord_edges, border)])
    parent = take(region_of, take(cycles, offsets[:-1]))
    unit = take(take(event_unit, chords.event), chord_edges.chord)
    refined = Subdivision(
        vertices=vertices,
        edges=concat([pieces, take(vertex_of_node, chord_edges.nodes.reshape(-1)).reshape(-1, 2)]),
        edge_layer=concat([repeat(mesh.edge_layer, crossings.pieces), zeros(len(unit), unit) + layer]),
        edge_unit=concat([repeat(mesh.edge_unit, crossings.pieces), unit]),
        loops=take(codes, cycles),
        offsets=offsets,
        window=take(mesh.window, parent),
    )
    return Refinement(
        mesh=refined,
        births=(on_edges, meetings.births),
        parent=parent,
        zero_vertex=concat([len(mesh.vertices) + crossings.node, n_on_edges + meetings.node]),
        zero_event=concat([crossings.event, take(chords.event, meetings.chord)]),
        merged_vertex=concat(
            [len(mesh.vertices) + crossings.node[crossings.gaps.merged], n_on_edges + meetings.merged_node]
        ),
        merged_event=concat([crossings.event[crossings.gaps.merged], meetings.merged_event]),
        smallest_gap=min(crossings.gaps.smallest, meetings.gaps.smallest),
    )


def _subdivide(
    chords: Chords, border: Border, on_edges: Births, events: EventTable, vertices: Array, length_tolerance: float
) -> tuple[Meetings, ChordEdges, Array, Array]:
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


def _region_of_half_edges(chords: Chords, edges: ChordEdges, border: Border) -> Array:
    """(2F,) region that each chord half-edge lies in."""
    return repeat(take(take(border.region, chords.first), edges.chord), 2)
