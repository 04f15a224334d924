"""Tiles stitched together: of every edge that has two copies, the pieces of both are matched and made one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from .arrays import (
    Array,
    arange,
    argsort,
    ascending,
    bincount,
    concat,
    flags,
    positions,
    put,
    repeat,
    take,
    tiny,
    where,
    zeros,
)
from .crossings import Births, Crossings, Gaps, expand_loops, split_edges
from .order import argsort_along, components, starts_of, unique
from .subdivision import Subdivision
from .tiles import Seams, codes_of


def side_by_side(meshes: Sequence[Subdivision]) -> Subdivision:
    """All subdivisions in one set of arrays, in order; windows keep their numbers."""
    if len(meshes) == 1:
        return meshes[0]
    vertices, edges, slots = (_first([len(a) for a in arrays]) for arrays in _sizes(meshes))
    return Subdivision(
        vertices=concat([m.vertices for m in meshes]),
        edges=concat([m.edges + v for m, v in zip(meshes, vertices, strict=True)]),
        edge_layer=concat([m.edge_layer for m in meshes]),
        edge_unit=concat([m.edge_unit for m in meshes]),
        loops=concat([m.loops + 2 * e for m, e in zip(meshes, edges, strict=True)]),
        offsets=concat(
            [m.offsets[k > 0 :] + s for k, (m, s) in enumerate(zip(meshes, slots, strict=True))],
        ),
        window=concat([m.window for m in meshes]),
    )


def _sizes(meshes: Sequence[Subdivision]) -> tuple[list[Array], list[Array], list[Array]]:
    return [m.vertices for m in meshes], [m.edges for m in meshes], [m.loops for m in meshes]


def _first(counts: Sequence[int]) -> list[int]:
    starts = [0]
    for count in counts[:-1]:
        starts.append(starts[-1] + count)
    return starts


@dataclass(frozen=True)
class Pieces:
    """The pieces of all seams, sorted by seam, side, and place along the edge that was cut.

    Attributes
    ----------
    edge : (n,) edges of the mesh
    side : (n,) which copy of which edge: ``2 s + side``
    """

    edge: Array
    side: Array

    @classmethod
    def of(cls, mesh: Subdivision, parents: Array) -> Pieces:
        """From the codes on the edges."""
        code = codes_of(mesh)
        edge = positions(code >= 0)
        # Ancestors of each code, from itself up to the copy that it is a piece of, and how many there are.
        lineage = [take(code, edge)]
        depth = zeros(len(edge), edge)
        while True:
            parent = take(parents, lineage[-1])
            if not (parent >= 0).any():
                break
            depth += parent >= 0
            lineage.append(where(parent >= 0, parent, lineage[-1]))
        # Sorted from the copy downwards: codes of one parent ascend along it, and so do edges of one code.
        order, every = arange(0, len(edge), edge), concat(lineage)
        for level in reversed(range(len(lineage))):
            ancestor = take(every, (depth - level).clip(min=0) * len(edge) + arange(0, len(edge), edge))
            order = take(order, argsort(take(ancestor, order)))
        return cls(take(edge, order), take(lineage[-1], order))


def stitch(mesh: Subdivision, seams: Seams, length_tolerance: float) -> Subdivision:
    """One subdivision without seams, and without vertices that lie on no edge.

    Parameters
    ----------
    mesh : all tiles side by side, each refined by itself
    length_tolerance : where the two sides of a seam decided differently, vertices closer than this are one
    """
    if not len(seams):
        return _without_idle_vertices(mesh)
    parents, layers, units = seams.table()
    mesh, pieces = _even(mesh, Pieces.of(mesh, parents), parents, length_tolerance)
    upper = pieces.side & 1
    edge, copy = pieces.edge[upper == 0], pieces.edge[upper == 1]
    seam = take(pieces.side, positions(upper == 0))
    layer, unit = put(mesh.edge_layer + 0, edge, take(layers, seam)), put(mesh.edge_unit + 0, edge, take(units, seam))
    return _without_idle_vertices(_identify(replace(mesh, edge_layer=layer, edge_unit=unit), edge, copy))


def _without_idle_vertices(mesh: Subdivision) -> Subdivision:
    """Without the vertices that lie on no edge."""
    used = put(flags(len(mesh.vertices), False, mesh.edges), mesh.edges.reshape(-1), True)
    edges = take(used.cumsum(0) - 1, mesh.edges.reshape(-1)).reshape(-1, 2)
    return replace(mesh, vertices=take(mesh.vertices, positions(used)), edges=edges)


def _identify(mesh: Subdivision, edge: Array, copy: Array) -> Subdivision:
    """Each edge of `copy` and its ends become those of `edge`; vertices and edges close their ranks."""
    own, other = take(mesh.edges, edge).reshape(-1), take(mesh.edges, copy).reshape(-1)
    touched, number = unique(concat([own, other]))
    same = take(touched, components(len(touched), number[: len(own)], number[len(own) :]))
    vertex = put(arange(0, len(mesh.vertices), edge), touched, same)
    kept_vertices, new_vertex = _close_ranks(vertex)
    kept_edges, new_edge = _close_ranks(put(arange(0, len(mesh.edges), edge), copy, edge))
    return replace(
        mesh,
        vertices=take(mesh.vertices, kept_vertices),
        edges=take(new_vertex, take(mesh.edges, kept_edges).reshape(-1)).reshape(-1, 2),
        edge_layer=take(mesh.edge_layer, kept_edges),
        edge_unit=take(mesh.edge_unit, kept_edges),
        loops=2 * take(new_edge, mesh.loops >> 1) + (mesh.loops & 1),
    )


def _close_ranks(representative: Array) -> tuple[Array, Array]:
    """Members that represent themselves, and everybody's number among them."""
    stays = representative == arange(0, len(representative), representative)
    return positions(stays), take(stays.cumsum(0) - 1, representative)


def _even(mesh: Subdivision, pieces: Pieces, parents: Array, length_tolerance: float) -> tuple[Subdivision, Pieces]:
    """The mesh with equally many pieces on both sides of every seam.

    Ordinarily both sides are cut alike. They are not where a maximum's tie ends on a seam, for the other side sees no
    vertex there, and where rounding led to different decisions: then the vertices that one side lacks are put into it,
    on an edge that stays straight.
    """
    count = bincount(pieces.side, len(parents))
    uneven = positions(count[0::2] != count[1::2])
    if not len(uneven):
        return mesh, pieces
    start = starts_of(count)
    edges, fractions = [], []
    for seam in uneven.tolist():
        sides = [pieces.edge[int(start[side]) : int(start[side + 1])] for side in (2 * seam, 2 * seam + 1)]
        bounds = [_places(mesh, side) for side in sides]
        for side, own, new in zip(sides, bounds, _missing(bounds[0], bounds[1], length_tolerance), strict=True):
            for t in new:
                slot = min(max(sum(bound <= t for bound in own[1:-1]), 0), len(side) - 1)
                edges.append(int(side[slot]))
                length = max(own[slot + 1] - own[slot], tiny(mesh.vertices))
                fractions.append(min(max((t - own[slot]) / length, 0.0), 1.0))
    return _inserted(mesh, edges, fractions, parents)


def _places(mesh: Subdivision, side: Array) -> list[float]:
    """Where the vertices of one side lie along the edge that was cut, both ends included, in slice units, ascending."""
    first, last = mesh.vertices[mesh.edges[side[:1], 0]], mesh.vertices[mesh.edges[side[-1:], 1]]
    direction = (last - first)[0]
    length = float((direction @ direction) ** 0.5)
    inner = (mesh.vertices[mesh.edges[side[:-1], 1]] - first) @ direction / max(length, tiny(mesh.vertices))
    return [0.0, *ascending(inner.clip(0, length)).tolist(), length]


def _missing(one: list[float], other: list[float], tolerance: float) -> tuple[list[float], list[float]]:
    """Places of `other` that `one` lacks, and those of `one` that `other` lacks; each partner is taken once."""
    lacks: tuple[list[float], list[float]] = ([], [])
    a, b = one[1:-1], other[1:-1]
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


def _inserted(
    mesh: Subdivision, edges: list[int], fractions: list[float], parents: Array
) -> tuple[Subdivision, Pieces]:
    """The mesh with vertices put on edges, and its pieces of seams."""
    t = concat([mesh.vertices.reshape(-1)[:1] * 0 + fraction for fraction in fractions])
    edge = concat([zeros(1, mesh.edges) + e for e in edges])
    crossings = _crossings(mesh, edge, t)
    half_edges, first_slot = expand_loops(mesh, crossings)
    split = Subdivision(
        vertices=concat([mesh.vertices, crossings.births.place(mesh.vertices)]),
        edges=split_edges(mesh, crossings),
        edge_layer=repeat(mesh.edge_layer, crossings.pieces),
        edge_unit=repeat(mesh.edge_unit, crossings.pieces),
        loops=half_edges,
        offsets=take(first_slot, mesh.offsets),
        window=mesh.window,
    )
    return split, Pieces.of(split, parents)


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
        births=Births(take(mesh.edges, edge), t),
        pieces=pieces,
        first_piece=starts_of(pieces),
        gaps=Gaps(none, inf),
    )
