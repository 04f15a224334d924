"""Where the events' zero sets cross existing edges, and the edges split there."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from ..chunks import rows_at_once
from .arrays import Array, arange, as_tensor, bincount, lerp, take, zero_between
from .order import argsort_along, is_first, ragged_arange, starts_of
from .signs import EventTable, set_bits
from .subdivision import Subdivision, cut_segments


@dataclass(frozen=True)
class Births:
    """New vertices, each on the segment between two older ones: ``(1 - t) * parents[0] + t * parents[1]``."""

    parents: Array
    t: Array

    def place(self, vertices: Array) -> Array:
        """(n, 2) coordinates of the new vertices, from the (V, 2) of all that may be parents."""
        return lerp(take(vertices, self.parents[:, 0]), take(vertices, self.parents[:, 1]), self.t[:, None])

    def interpolate(self, values: Tensor, out: Tensor) -> None:
        """Rows for the new vertices, from the (V, ...) rows of their parents; affine values only."""
        t = as_tensor(self.t).to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
        first, second = as_tensor(self.parents).unbind(1)
        step = rows_at_once(values, values[:1].numel())
        for start in range(0, len(self.t), step):
            rows = slice(start, start + step)
            ends = values.index_select(0, first[rows]), values.index_select(0, second[rows])
            torch.lerp(*ends, t[rows], out=out[rows])


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

    merged: Array
    smallest: float

    @classmethod
    def between(cls, line: Array, t: Array, length: Array, tolerance: float) -> Gaps:
        """Of positions sorted by line and t; `length` (n,) is that of each position's line."""
        merged = ~is_first(line)
        distance = (t[1:] - t[:-1]) * length[1:]
        apart = distance > tolerance
        kept = distance[merged[1:] & apart]
        merged[1:] &= ~apart
        return cls(merged, float(kept.min()) / tolerance if len(kept) else inf)


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

    edge: Array
    event: Array
    node: Array
    births: Births
    pieces: Array
    first_piece: Array
    gaps: Gaps

    def rank(self) -> Array:
        """(K,) position of each crossing's vertex among the new vertices of its edge."""
        # An edge with k new vertices has k + 1 pieces: so many nodes stand before the edge's first piece.
        return self.node - (take(self.first_piece, self.edge) - self.edge)


def cross_edges(mesh: Subdivision, events: EventTable, length_tolerance: float) -> Crossings:
    """All (edge, event) pairs whose ends have strictly opposite signs, merged into vertices edge by edge.

    Both regions of an edge see the same new vertices, because the edge is split once.
    """
    first, second = mesh.edges[:, 0], mesh.edges[:, 1]
    opposite = take(events.positive, first) & take(events.negative, second)
    opposite |= take(events.negative, first) & take(events.positive, second)
    edge, event = set_bits(opposite)

    z0, z1 = events.at(take(first, edge), event), events.at(take(second, edge), event)
    t = zero_between(z0, z1)
    order = argsort_along(edge, t)  # the edges are in order already
    event, t = take(event, order), take(t, order)

    length = take(mesh.edge_lengths(), edge)
    gaps = Gaps.between(edge, t, length, length_tolerance)
    new = ~gaps.merged
    node = new.cumsum(0) - 1
    node_edge = edge[new]
    pieces = 1 + bincount(node_edge, len(mesh.edges))
    births = Births(take(mesh.edges, node_edge), t[new])
    return Crossings(edge, event, node, births, pieces, starts_of(pieces), gaps)


def split_edges(mesh: Subdivision, crossings: Crossings) -> Array:
    """(E', 2) end vertices of the pieces, edge after edge; new vertices follow the old ones in number."""
    n_old, n_new = len(mesh.vertices), len(crossings.births.t)
    born = arange(n_old, n_old + n_new, mesh.edges)
    return cut_segments(crossings.pieces, mesh.edges[:, 0], mesh.edges[:, 1], born)


def expand_loops(mesh: Subdivision, crossings: Crossings) -> tuple[Array, Array]:
    """Every half-edge replaced by its pieces.

    Returns
    -------
    loops : (S',) half-edges of the split edges
    first_slot : (S + 1,) where the pieces of each old half-edge begin in `loops`
    """
    old_edge, backward = mesh.loops >> 1, mesh.loops & 1
    pieces = take(crossings.pieces, old_edge)
    owner, rank = ragged_arange(pieces)
    # Forwards from the first piece up, backwards from the last one down.
    first = 2 * (take(crossings.first_piece, old_edge) + backward * (pieces - 1)) + backward
    return take(first, owner) + (2 - 4 * take(backward, owner)) * rank, starts_of(pieces)
