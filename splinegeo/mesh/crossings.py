"""Where the events' zero sets cross existing edges, and the edges split there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .order import argsort_along, is_first, ragged_arange, starts_of
from .signs import EventTable, set_bits
from .subdivision import Subdivision

CACHE_ELEMENTS = 2**17  # one megabyte of float64: wide rows are gathered and interpolated within the cache


@dataclass(frozen=True)
class Births:
    """New vertices, each on the segment between two older ones: ``(1 - t) * parents[0] + t * parents[1]``."""

    parents: Tensor
    t: Tensor

    def interpolate(self, values: Tensor, out: Tensor | None = None) -> Tensor:
        """Rows for the new vertices, from the (V, ...) rows of their parents; affine values only."""
        if out is None:
            out = values.new_zeros((len(self.t), *values.shape[1:]))
        t = self.t.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
        first, second = self.parents.unbind(1)
        width = max(1, values[:1].numel())
        step = max(1, len(self.t) if values.is_cuda else CACHE_ELEMENTS // width)
        for start in range(0, len(self.t), step):
            rows = slice(start, start + step)
            ends = values.index_select(0, first[rows]), values.index_select(0, second[rows])
            torch.lerp(*ends, t[rows], out=out[rows])
        return out


@dataclass(frozen=True)
class Gaps:
    """Distances between neighbouring positions on one line.

    Attributes
    ----------
    merged : (n,) bool
        Whether each position is so close to the one before it on the same line that they are one vertex.
    smallest : float
        The smallest distance that was kept, as a multiple of the tolerance; infinity if there is none.
    """

    merged: Tensor
    smallest: float

    @classmethod
    def between(cls, line: Tensor, t: Tensor, length: Tensor, tolerance: float) -> Gaps:
        """Of positions sorted by line and t; `length` (n,) is that of each position's line."""
        merged = ~is_first(line)
        distance = t.diff() * length[1:]
        apart = distance > tolerance
        kept = torch.where(merged[1:] & apart, distance, torch.inf)
        merged[1:] &= ~apart
        return cls(merged, float(kept.amin()) / tolerance if len(kept) else torch.inf)


@dataclass(frozen=True)
class Crossings:
    """Crossings of events with edges: K (edge, event) pairs at C new vertices.

    Attributes
    ----------
    edge, event, node : (K,)
        The pair, and which new vertex it made; several pairs share one when they lie closer than the tolerance.
    births : Births
        The C new vertices, in order along the edges.
    pieces : (E,)
        Number of edges that each edge is split into.
    first_piece : (E + 1,)
        Index of the first piece of each edge among all pieces.
    gaps : Gaps
        Between neighbours on one edge.
    """

    edge: Tensor
    event: Tensor
    node: Tensor
    births: Births
    pieces: Tensor
    first_piece: Tensor
    gaps: Gaps

    def rank(self) -> Tensor:
        """(K,) position of each crossing's vertex among the new vertices of its edge."""
        # An edge with k new vertices has k + 1 pieces: so many nodes stand before the edge's first piece.
        return self.node - (self.first_piece[:-1].index_select(0, self.edge) - self.edge)


def cross_edges(mesh: Subdivision, events: EventTable, length_tolerance: float) -> Crossings:
    """All (edge, event) pairs whose ends have strictly opposite signs, merged into vertices edge by edge.

    Both regions of an edge see the same new vertices, because the edge is split once.
    """
    first, second = mesh.edges.unbind(1)
    opposite = events.positive.index_select(0, first) & events.negative.index_select(0, second)
    opposite |= events.negative.index_select(0, first) & events.positive.index_select(0, second)
    edge, event = set_bits(opposite)

    z0 = events.at(first.index_select(0, edge), event)
    z1 = events.at(second.index_select(0, edge), event)
    t = z0 / (z0 - z1)
    order = argsort_along(edge, t)
    edge, event, t = (x.index_select(0, order) for x in (edge, event, t))

    length = mesh.edge_lengths().index_select(0, edge)
    gaps = Gaps.between(edge, t, length, length_tolerance)
    new = ~gaps.merged
    node = new.long().cumsum(0) - 1
    node_edge = edge[new]
    pieces = 1 + torch.bincount(node_edge, minlength=len(mesh.edges))
    births = Births(mesh.edges.index_select(0, node_edge), t[new])
    return Crossings(edge, event, node, births, pieces, starts_of(pieces), gaps)


def split_edges(mesh: Subdivision, crossings: Crossings) -> Tensor:
    """(E', 2) end vertices of the pieces, edge after edge; new vertices follow the old ones in number."""
    owner, rank = ragged_arange(crossings.pieces)
    node = len(mesh.vertices) + crossings.first_piece.index_select(0, owner) - owner + rank
    ends = mesh.edges.index_select(0, owner)
    source = torch.where(rank == 0, ends[:, 0], node - 1)
    target = torch.where(rank + 1 == crossings.pieces.index_select(0, owner), ends[:, 1], node)
    return torch.stack([source, target], dim=1)


def expand_loops(mesh: Subdivision, crossings: Crossings) -> tuple[Tensor, Tensor]:
    """Every half-edge replaced by its pieces.

    Returns
    -------
    loops : (S',) half-edges of the split edges
    first_slot : (S + 1,) where the pieces of each old half-edge begin in `loops`
    """
    old_edge, backward = mesh.loops >> 1, mesh.loops & 1
    pieces = crossings.pieces.index_select(0, old_edge)
    owner, rank = ragged_arange(pieces)
    backward_here = backward.index_select(0, owner)
    along = torch.where(backward_here == 1, pieces.index_select(0, owner) - 1 - rank, rank)
    piece = crossings.first_piece.index_select(0, old_edge.index_select(0, owner)) + along
    return 2 * piece + backward_here, starts_of(pieces)
