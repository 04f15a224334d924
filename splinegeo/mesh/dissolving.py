"""Dissolving edges that turned out to separate nothing: regions merge, and vertices on straight lines go."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .linking import trace_cycles
from .order import starts_of
from .subdivision import Subdivision


@dataclass(frozen=True)
class Dissolution:
    """A coarser subdivision, and which of the old vertices (V',) it keeps, in order."""

    mesh: Subdivision
    kept_vertices: Tensor


def dissolve(mesh: Subdivision, drop: Tensor, n_fixed_vertices: int) -> Dissolution:
    """Remove edges; merge the regions on their sides, and the edges that a vertex of degree two then joins.

    Parameters
    ----------
    drop : (E,) bool
        Inner edges to remove; the merged regions must be convex again.
    n_fixed_vertices : vertices below this number stay even if only two edges are left at them (corners)
    """
    slot_cycles = _merge_regions(mesh, drop)
    loops, offsets, window = slot_cycles
    degree = torch.bincount(mesh.edges[~drop].reshape(-1), minlength=len(mesh.vertices))
    passing = (degree == 2) & (torch.arange(len(degree), device=degree.device) >= n_fixed_vertices)
    source = mesh.edges.reshape(-1).index_select(0, loops)

    # Chains of edges through passing vertices become one edge, named after its first or last edge, whichever is
    # lower: both directions of the chain agree on it.
    stays = ~passing[source]
    kept_slots = torch.nonzero(stays)[:, 0]
    region = torch.repeat_interleave(offsets.diff())[kept_slots]
    sizes = torch.bincount(region, minlength=len(window))
    new_offsets = starts_of(sizes)
    following = torch.arange(1, len(kept_slots) + 1, device=loops.device)
    following[new_offsets[1:] - 1] = new_offsets[:-1]
    next_kept = kept_slots[following]
    last_slot = torch.where(next_kept == offsets[region], offsets[region + 1], next_kept) - 1
    first_half, last_half = loops[kept_slots], loops[last_slot]
    chain = torch.minimum(first_half >> 1, last_half >> 1)

    kept_edges = torch.unique(chain)
    edge_number = torch.searchsorted(kept_edges, chain)
    ends = torch.stack([source[kept_slots], source[next_kept]], dim=1)
    # The direction of the representative edge within the chain decides which way the new edge points.
    backward = torch.where(chain == first_half >> 1, first_half & 1, last_half & 1)
    edges = torch.zeros((len(kept_edges), 2), dtype=torch.int64, device=loops.device)
    edges[edge_number] = torch.where(backward[:, None] == 1, ends.flip(1), ends)
    kept_vertices = torch.unique(edges)
    merged = Subdivision(
        vertices=mesh.vertices[kept_vertices],
        edges=torch.searchsorted(kept_vertices, edges),
        edge_layer=mesh.edge_layer[kept_edges],
        edge_unit=mesh.edge_unit[kept_edges],
        loops=2 * edge_number + backward,
        offsets=new_offsets,
        window=window,
    )
    return Dissolution(merged, kept_vertices)


def _merge_regions(mesh: Subdivision, drop: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loops of half-edges around the merged regions, their offsets and windows."""
    n_half_edges = 2 * len(mesh.edges)
    following = torch.full((n_half_edges,), -1, dtype=torch.int64, device=drop.device)
    following[mesh.loops] = mesh.loops[mesh.next_slot()]
    dropped = drop.repeat_interleave(2)
    kept = torch.nonzero(~dropped & (following >= 0))[:, 0]
    target = following[kept]
    # Where the next edge is gone, go around its far side instead, until one is left.
    while True:
        gone = dropped[target]
        if not gone.any():
            break
        target = torch.where(gone, following[target ^ 1], target)
    number = torch.zeros(n_half_edges, dtype=torch.int64, device=drop.device)
    number[kept] = torch.arange(len(kept), device=drop.device)
    cycles, offsets = trace_cycles(number[target])
    loops = kept[cycles]
    slots = mesh.slot_of_half_edge()
    window = mesh.window[mesh.loop_regions()[slots[loops[offsets[:-1]]]]]
    return loops, offsets, window
