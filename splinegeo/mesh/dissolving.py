"""Dissolving edges that turned out to separate nothing: regions merge, and vertices on straight lines go."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import (
    Array,
    arange,
    bincount,
    columns,
    minimum,
    positions,
    put,
    repeat,
    take,
    where,
    zeros,
)
from .linking import trace_cycles
from .order import owners, starts_of, unique
from .subdivision import Subdivision


@dataclass(frozen=True)
class Dissolution:
    """A coarser subdivision, and which of the old vertices (V',) it keeps, in order."""

    mesh: Subdivision
    kept_vertices: Array


def dissolve(mesh: Subdivision, drop: Array, n_fixed_vertices: int) -> Dissolution:
    """Remove edges; merge the regions on their sides, and the edges that a vertex of degree two then joins.

    Parameters
    ----------
    drop : (E,) bool
        Inner edges to remove; the merged regions must be convex again.
    n_fixed_vertices : vertices below this number stay even if only two edges are left at them (corners)
    """
    slot_cycles = _merge_regions(mesh, drop)
    loops, offsets, window = slot_cycles
    degree = bincount(mesh.edges[~drop].reshape(-1), len(mesh.vertices))
    passing = (degree == 2) & (arange(0, len(degree), degree) >= n_fixed_vertices)
    source = take(mesh.edges.reshape(-1), loops)

    # Chains of edges through passing vertices become one edge, named after its first or last edge, whichever is
    # lower: both directions of the chain agree on it.
    stays = ~passing[source]
    kept_slots = positions(stays)
    region = owners(offsets[1:] - offsets[:-1])[kept_slots]
    new_offsets = starts_of(bincount(region, len(window)))
    following = put(arange(1, len(kept_slots) + 1, loops), new_offsets[1:] - 1, new_offsets[:-1])
    next_kept = kept_slots[following]
    last_slot = where(next_kept == offsets[region], offsets[region + 1], next_kept) - 1
    first_half, last_half = loops[kept_slots], loops[last_slot]
    chain = minimum(first_half >> 1, last_half >> 1)

    kept_edges, edge_number = unique(chain)
    source, target = source[kept_slots], source[next_kept]
    # The direction of the representative edge within the chain decides which way the new edge points.
    backward = where(chain == first_half >> 1, first_half & 1, last_half & 1)
    ends = columns(where(backward == 1, target, source), where(backward == 1, source, target))
    edges = zeros((len(kept_edges), 2), loops)
    edges[edge_number] = ends
    kept_vertices, edges = unique(edges)
    merged = Subdivision(
        vertices=mesh.vertices[kept_vertices],
        edges=edges,
        edge_layer=mesh.edge_layer[kept_edges],
        edge_unit=mesh.edge_unit[kept_edges],
        loops=2 * edge_number + backward,
        offsets=new_offsets,
        window=window,
    )
    return Dissolution(merged, kept_vertices)


def _merge_regions(mesh: Subdivision, drop: Array) -> tuple[Array, Array, Array]:
    """Loops of half-edges around the merged regions, their offsets and windows."""
    n_half_edges = 2 * len(mesh.edges)
    following = put(zeros(n_half_edges, drop) - 1, mesh.loops, mesh.loops[mesh.next_slot()])
    dropped = repeat(drop, 2)
    kept = positions(~dropped & (following >= 0))
    target = following[kept]
    # Where the next edge is gone, go around its far side instead, until one is left.
    while True:
        gone = dropped[target]
        if not gone.any():
            break
        target = where(gone, following[target ^ 1], target)
    number = put(zeros(n_half_edges, drop), kept, arange(0, len(kept), kept))
    cycles, offsets = trace_cycles(number[target])
    loops = kept[cycles]
    slots = mesh.slot_of_half_edge()
    window = mesh.window[mesh.loop_regions()[slots[loops[offsets[:-1]]]]]
    return loops, offsets, window
