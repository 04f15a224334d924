"""The seams between tiles: their edges were cut twice, once from each side, and become one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .crossings import Births, Crossings, Gaps, expand_loops, split_edges
from .linking import trace_cycles
from .order import argsort, argsort_along, argsort_within, starts_of
from .subdivision import Subdivision


@dataclass(frozen=True)
class Seam:
    """The pieces of a seam's edges in one tile, edge after edge, each from its first end to its second.

    Attributes
    ----------
    piece : (p,) edges of the tile's mesh
    rank : (p,) ascending; which edge of the seam each is a piece of
    """

    piece: Tensor
    rank: Tensor

    @classmethod
    def trace(cls, mesh: Subdivision, piece: Tensor, rank: Tensor, ends: Tensor) -> Seam:
        """From unordered pieces; `ends` (p, 2) are the mesh's vertices at the ends of the uncut edges."""
        source, target = mesh.edges[piece].unbind(1)
        by_start = argsort_within((source != ends[:, 0]).long(), rank, len(mesh.edges))
        piece, rank, ends, source, target = (x[by_start] for x in (piece, rank, ends, source, target))
        # Every edge's pieces are closed to a cycle; its smallest member is the piece at the first end.
        target = torch.where(target == ends[:, 1], ends[:, 0], target)
        here, there = (rank * len(mesh.vertices) + vertex for vertex in (source, target))
        order = argsort(here)
        along = trace_cycles(order[torch.searchsorted(here[order], there)])[0]
        return cls(piece[along], rank[along])


def match(
    meshes: Sequence[Subdivision], seams: Sequence[Seam], ends: Tensor, length_tolerance: float
) -> tuple[list[Subdivision], list[Seam]]:
    """The tiles with equally many pieces on both sides of every edge of the seam.

    Normally they have: both sides decided from the same values. Where rounding led to different decisions, the
    vertices of either side that the other lacks are put into the other, on an edge that stays straight.

    Parameters
    ----------
    ends : (F, 2, 2) coordinates of the ends of the seam's edges
    length_tolerance : vertices closer than this may be one
    """
    meshes, seams = list(meshes), list(seams)
    n_pieces = torch.stack([torch.bincount(seam.rank, minlength=len(ends)) for seam in seams])
    most = n_pieces.amax(dim=0)
    unequal = torch.nonzero(((n_pieces != most) & (n_pieces > 0)).any(dim=0))[:, 0]
    for rank in unequal.tolist():
        sides = torch.nonzero(n_pieces[:, rank])[:, 0].tolist()
        inner = [_positions(meshes[side], seams[side], rank, ends[rank]) for side in sides]
        missing = _missing(inner[0], inner[1], length_tolerance / float((ends[rank, 1] - ends[rank, 0]).norm()))
        for side, own, new in zip(sides, inner, missing, strict=True):
            meshes[side], seams[side] = _insert(meshes[side], seams[side], rank, own, new)
    return meshes, seams


def _positions(mesh: Subdivision, seam: Seam, rank: int, ends: Tensor) -> Tensor:
    """Where along an edge of the seam its inner vertices lie in one tile, as fractions, in order."""
    target = mesh.edges[seam.piece[seam.rank == rank][:-1], 1]
    direction = ends[1] - ends[0]
    t = (mesh.vertices[target] - ends[0]) @ direction / direction.square().sum()
    return t.clamp(0, 1).cummax(dim=0).values


def _missing(one: Tensor, other: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Positions of `other` that `one` lacks, and those of `one` that `other` lacks; each partner is taken once."""
    lacks: tuple[list[float], list[float]] = ([], [])
    a, b = one.tolist(), other.tolist()
    i = j = 0
    while i < len(a) or j < len(b):
        if i < len(a) and j < len(b) and abs(a[i] - b[j]) <= tolerance:
            i, j = i + 1, j + 1
        elif j == len(b) or (i < len(a) and a[i] < b[j]):
            lacks[1].append(a[i])
            i += 1
        else:
            lacks[0].append(b[j])
            j += 1
    return one.new_tensor(lacks[0]), one.new_tensor(lacks[1])


def _insert(mesh: Subdivision, seam: Seam, rank: int, own: Tensor, new: Tensor) -> tuple[Subdivision, Seam]:
    """Put vertices at fractions `new` of one edge of the seam, whose vertices lie at `own` so far."""
    if not len(new):
        return mesh, seam
    pieces = seam.piece[seam.rank == rank]
    bounds = torch.cat([own.new_zeros(1), own, own.new_ones(1)])
    slot = torch.searchsorted(own, new, right=True)
    length = (bounds[slot + 1] - bounds[slot]).clamp(min=torch.finfo(own.dtype).tiny)
    crossings = _crossings(mesh, pieces[slot], ((new - bounds[slot]) / length).clamp(0, 1))
    half_edges, first_slot = expand_loops(mesh, crossings)
    split = Subdivision(
        vertices=torch.cat([mesh.vertices, crossings.births.interpolate(mesh.vertices)]),
        edges=split_edges(mesh, crossings),
        edge_layer=mesh.edge_layer.repeat_interleave(crossings.pieces),
        edge_unit=mesh.edge_unit.repeat_interleave(crossings.pieces),
        loops=half_edges,
        offsets=first_slot.index_select(0, mesh.offsets),
        window=mesh.window,
    )
    n_pieces = crossings.pieces[seam.piece]
    owner = torch.repeat_interleave(n_pieces)
    within = torch.arange(len(owner), device=owner.device) - starts_of(n_pieces)[owner]
    return split, Seam(crossings.first_piece[seam.piece[owner]] + within, seam.rank[owner])


def _crossings(mesh: Subdivision, edge: Tensor, t: Tensor) -> Crossings:
    """New vertices on edges, in the form in which edges are split."""
    order = argsort_along(edge, t)
    edge, t = edge[order], t[order]
    pieces = 1 + torch.bincount(edge, minlength=len(mesh.edges))
    none = torch.zeros(len(edge), dtype=torch.bool, device=edge.device)
    return Crossings(
        edge=edge,
        event=torch.zeros_like(edge),
        node=torch.arange(len(edge), device=edge.device),
        births=Births(mesh.edges[edge], t),
        pieces=pieces,
        first_piece=starts_of(pieces),
        gaps=Gaps(none, torch.inf),
    )
