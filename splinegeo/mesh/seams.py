"""The seams between tiles: their edges were cut twice, once from each side, and become one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from .arrays import (
    Array,
    arange,
    argsort,
    ascending,
    bincount,
    concat,
    flags,
    full,
    positions,
    repeat,
    search,
    take,
    tiny,
    where,
    zeros,
)
from .crossings import Births, Crossings, Gaps, expand_loops, split_edges
from .linking import trace_cycles
from .order import argsort_along, argsort_within, is_first, ragged_arange, starts_of, unique
from .subdivision import Subdivision, distances


@dataclass(frozen=True)
class Seam:
    """The pieces of a seam's edges in one tile, edge after edge, each from its first end to its second.

    Attributes
    ----------
    piece : (p,) edges of the tile's mesh
    rank : (p,) ascending; which edge of the seam each is a piece of
    """

    piece: Array
    rank: Array

    @classmethod
    def trace(cls, mesh: Subdivision, piece: Array, rank: Array, ends: Array) -> Seam:
        """From unordered pieces; `ends` (p, 2) are the mesh's vertices at the ends of the uncut edges."""
        source, target = mesh.edges[piece, 0], mesh.edges[piece, 1]
        by_start = argsort_within(where(source != ends[:, 0], 1, 0), rank, len(mesh.edges))
        piece, rank, ends, source, target = (x[by_start] for x in (piece, rank, ends, source, target))
        # Every edge's pieces are closed to a cycle; its smallest member is the piece at the first end.
        target = where(target == ends[:, 1], ends[:, 0], target)
        here, there = (rank * len(mesh.vertices) + vertex for vertex in (source, target))
        order = argsort(here)
        along = trace_cycles(order[search(here[order], there)])[0]
        return cls(piece[along], rank[along])

    def uneven(self, n_both: Array) -> Array:
        """Which edges of the seam have not half of their pieces here; `n_both` (F,) says how many there are."""
        start = positions(is_first(self.rank))
        rank, n_pieces = take(self.rank, start), concat([start[1:], start[:1] + len(self.rank)]) - start
        return rank[2 * n_pieces != take(n_both, rank)]


def match(
    meshes: Sequence[Subdivision], seams: Sequence[Seam], ends: Array, length_tolerance: float
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
    n_both = bincount(concat([seam.rank for seam in seams]), len(ends))
    for rank in unique(concat([seam.uneven(n_both) for seam in seams]))[0].tolist():
        sides = [side for side, seam in enumerate(seams) if (seam.rank == rank).any()]
        inner = [_positions(meshes[side], seams[side], rank, ends[rank]) for side in sides]
        missing = _missing(inner[0], inner[1], length_tolerance / float(distances(ends[rank, :1], ends[rank, 1:])[0]))
        for side, own, new in zip(sides, inner, missing, strict=True):
            meshes[side], seams[side] = _insert(meshes[side], seams[side], rank, own, new)
    return meshes, seams


def _positions(mesh: Subdivision, seam: Seam, rank: int, ends: Array) -> Array:
    """Where along an edge of the seam its inner vertices lie in one tile, as fractions, in order."""
    target = mesh.edges[seam.piece[seam.rank == rank][:-1], 1]
    direction = ends[1] - ends[0]
    t = (mesh.vertices[target] - ends[0]) @ direction / (direction @ direction)
    return ascending(t.clip(0, 1))


def _missing(one: Array, other: Array, tolerance: float) -> tuple[list[float], list[float]]:
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
    return lacks


def _insert(mesh: Subdivision, seam: Seam, rank: int, own: Array, missing: list[float]) -> tuple[Subdivision, Seam]:
    """Put vertices at the `missing` fractions of one edge of the seam, whose vertices lie at `own` so far."""
    if not missing:
        return mesh, seam
    pieces = seam.piece[seam.rank == rank]
    new = concat([full(1, t, own) for t in missing])
    bounds = concat([full(1, 0, own), own, full(1, 1, own)])
    slot = search(own, new, right=True)
    length = (bounds[slot + 1] - bounds[slot]).clip(min=tiny(own))
    crossings = _crossings(mesh, pieces[slot], ((new - bounds[slot]) / length).clip(0, 1))
    half_edges, first_slot = expand_loops(mesh, crossings)
    split = Subdivision(
        vertices=concat([mesh.vertices, crossings.births.place(mesh.vertices)]),
        edges=split_edges(mesh, crossings),
        edge_layer=repeat(mesh.edge_layer, crossings.pieces),
        edge_unit=repeat(mesh.edge_unit, crossings.pieces),
        loops=half_edges,
        offsets=first_slot[mesh.offsets],
        window=mesh.window,
    )
    owner, within = ragged_arange(crossings.pieces[seam.piece])
    return split, Seam(crossings.first_piece[seam.piece[owner]] + within, seam.rank[owner])


def _crossings(mesh: Subdivision, edge: Array, t: Array) -> Crossings:
    """New vertices on edges, in the form in which edges are split."""
    order = argsort_along(edge, t)
    edge, t = edge[order], t[order]
    pieces = 1 + bincount(edge, len(mesh.edges))
    none = flags(len(edge), False, edge)
    return Crossings(
        edge=edge,
        event=zeros(len(edge), edge),
        node=arange(0, len(edge), edge),
        births=Births(mesh.edges[edge], t),
        pieces=pieces,
        first_piece=starts_of(pieces),
        gaps=Gaps(none, inf),
    )
