"""A subdivision cut into tiles that are refined one by one, or side by side, and stitched together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from .arrays import (
    Array,
    arange,
    argsort,
    bincount,
    concat,
    minimum,
    positions,
    put,
    search,
    take,
    tiny,
    whole,
    zeros,
)
from .order import is_first, ragged_arange, unique
from .seams import Seam, match
from .subdivision import BORDER, Subdivision

_MORTON_BITS = 16


@dataclass(frozen=True)
class Tile:
    """Some regions of a subdivision, as a subdivision of its own.

    Attributes
    ----------
    mesh : Subdivision
    vertices : (V',) its vertices' numbers in the whole, ascending
    """

    mesh: Subdivision
    vertices: Array


@dataclass(frozen=True)
class Tiling:
    """A subdivision as tiles: every region lies in one of them, every edge of the seam in two.

    Attributes
    ----------
    whole : Subdivision
    tiles : list of Tile
    seam : (F,) edges of the whole between two tiles
    first_code : int
        In the tiles the f-th edge of the seam is labelled (`BORDER`, ``first_code - f``), which its pieces inherit
        however the tiles are refined. Codes of a tiling of a tile lie below its own.
    """

    whole: Subdivision
    tiles: list[Tile]
    seam: Array
    first_code: int

    def stitch(self, refined: Sequence[Subdivision], length_tolerance: float) -> Subdivision:
        """The whole, from its tiles after each was refined by itself; a tile's old vertices come first in it.

        Both tiles of a seam's edge cut it alike, for they decide from the same values; where rounding made them
        decide differently, vertices further apart than `length_tolerance` become vertices of both.
        """
        seams = [self._seam_in(tile, mesh) for tile, mesh in zip(self.tiles, refined, strict=True)]
        ends = self.whole.vertices[self.whole.edges[self.seam]]
        meshes, seams = match(refined, seams, ends, length_tolerance)
        joined = _side_by_side(self.whole.vertices, self.tiles, meshes)
        first_edge = accumulate([0, *(len(mesh.edges) for mesh in meshes[:-1])])
        pieces = concat([seam.piece + first for seam, first in zip(seams, first_edge, strict=True)])
        return self._relabel(_identify(joined, *_pairs(pieces, concat([seam.rank for seam in seams]))))

    def _seam_in(self, tile: Tile, mesh: Subdivision) -> Seam:
        piece = positions(self._is_coded(mesh))
        rank = self.first_code - mesh.edge_unit[piece]
        ends = search(tile.vertices, self.whole.edges[self.seam[rank]])
        return Seam.trace(mesh, piece, rank, ends)

    def _is_coded(self, mesh: Subdivision) -> Array:
        rank = self.first_code - mesh.edge_unit
        return (mesh.edge_layer == BORDER) & (rank >= 0) & (rank < len(self.seam))

    def _relabel(self, mesh: Subdivision) -> Subdivision:
        """With the labels that the seam's edges have in the whole."""
        piece = positions(self._is_coded(mesh))
        edge = self.seam[self.first_code - mesh.edge_unit[piece]]
        layer = put(mesh.edge_layer + 0, piece, self.whole.edge_layer[edge])
        unit = put(mesh.edge_unit + 0, piece, self.whole.edge_unit[edge])
        return replace(mesh, edge_layer=layer, edge_unit=unit)


def cut_into_tiles(mesh: Subdivision, n_tiles: int) -> Tiling:
    """At most `n_tiles` tiles with about equally many half-edges, each a compact part of one or several windows."""
    group = _groups(mesh, n_tiles)
    regions = mesh.edge_regions()
    left, right = regions[:, 0], regions[:, 1]
    # A number below zero, which stands for no region, finds some group and is left out again.
    seam = positions((take(group, left.clip(min=0)) != take(group, right.clip(min=0))) & (minimum(left, right) >= 0))
    first_code = min(int(mesh.edge_unit.min()), BORDER) - 1
    layer = put(mesh.edge_layer + 0, seam, zeros(len(seam), seam) + BORDER)
    unit = put(mesh.edge_unit + 0, seam, first_code - arange(0, len(seam), seam))
    coded = replace(mesh, edge_layer=layer, edge_unit=unit)
    tiles = [_tile(coded, positions(group == g)) for g in range(int(group.max()) + 1)]
    return Tiling(mesh, tiles, seam, first_code)


def _groups(mesh: Subdivision, n_tiles: int) -> Array:
    """(R,) the tile that each region goes to: runs along a space-filling curve, window after window."""
    sizes, corner, first = mesh.sizes(), mesh.loop_vertices(), mesh.offsets[:-1]
    # Between two corners far apart: a GPU adds up many in no order of its own, and regions would be numbered so, too.
    one, other = (take(mesh.vertices, take(corner, slot)) for slot in (first, first + sizes // 2))
    x, y = (_steps((one[:, i] + other[:, i]) / 2) for i in (0, 1))
    order = argsort((mesh.window << (2 * _MORTON_BITS)) + _spread(x) + 2 * _spread(y))
    ordered = take(sizes, order)
    # By the middle of each region in the run: two regions then never make one group of two.
    middle = 2 * ordered.cumsum(0) - ordered
    group = is_first(middle * n_tiles // (2 * len(mesh.loops))).cumsum(0) - 1
    return put(zeros(len(order), order), order, group)


def _steps(x: Array) -> Array:
    """Positions on a scale of integers."""
    low, high = float(x.min()), float(x.max())
    return whole((x - low) / max(high - low, tiny(x)) * (2**_MORTON_BITS - 1))


def _spread(bits: Array) -> Array:
    """The lowest 16 bits apart: bit i goes to bit 2 i."""
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        bits = (bits | (bits << shift)) & mask
    return bits


def _tile(mesh: Subdivision, regions: Array) -> Tile:
    half_edges, offsets = mesh.loops_of(regions)
    edges, number = unique(half_edges >> 1)
    vertices, ends = unique(take(mesh.edges, edges))
    own = Subdivision(
        vertices=mesh.vertices[vertices],
        edges=ends,
        edge_layer=mesh.edge_layer[edges],
        edge_unit=mesh.edge_unit[edges],
        loops=2 * number + (half_edges & 1),
        offsets=offsets,
        window=mesh.window[regions],
    )
    return Tile(own, vertices)


def _side_by_side(old: Array, tiles: Sequence[Tile], meshes: Sequence[Subdivision]) -> Subdivision:
    """All tiles in one set of arrays, after the `old` vertices of the whole; edges of the seam occur twice."""
    edges, loops, offsets, n_vertices, n_edges, n_slots = [], [], [], len(old), 0, 0
    for tile, mesh in zip(tiles, meshes, strict=True):
        born = len(mesh.vertices) - len(tile.vertices)
        number = concat([tile.vertices, arange(n_vertices, n_vertices + born, tile.vertices)])
        edges.append(take(number, mesh.edges.reshape(-1)).reshape(-1, 2))
        loops.append(mesh.loops + 2 * n_edges)
        offsets.append(mesh.offsets[:-1] + n_slots)
        n_vertices, n_edges, n_slots = n_vertices + born, n_edges + len(mesh.edges), n_slots + len(mesh.loops)
    births = [mesh.vertices[len(tile.vertices) :] for tile, mesh in zip(tiles, meshes, strict=True)]
    return Subdivision(
        vertices=concat([old, *births]),
        edges=concat(edges),
        edge_layer=concat([mesh.edge_layer for mesh in meshes]),
        edge_unit=concat([mesh.edge_unit for mesh in meshes]),
        loops=concat(loops),
        offsets=concat([*offsets, zeros(1, old) + n_slots]),
        window=concat([mesh.window for mesh in meshes]),
    )


def _pairs(piece: Array, rank: Array) -> tuple[Array, Array]:
    """Pieces of the seam from one side, and the same ones from the other, in order along each edge.

    Parameters
    ----------
    piece, rank : (p,) all pieces, tile after tile; both tiles of an edge of the seam have equally many
    """
    piece = piece[argsort(rank)]
    n_pieces = bincount(rank, 0)
    owner, within = ragged_arange(n_pieces)
    first_half = 2 * within < take(n_pieces, owner)
    return piece[first_half], piece[~first_half]


def _identify(mesh: Subdivision, edge: Array, copy: Array) -> Subdivision:
    """Each edge of `copy` and its ends become those of `edge`; vertices and edges close their ranks."""
    own, other = mesh.edges[edge], mesh.edges[copy]
    vertex = put(arange(0, len(mesh.vertices), edge), other.reshape(-1), own.reshape(-1))
    number = put(arange(0, len(mesh.edges), edge), copy, edge)
    kept_vertices, new_vertex = _close_ranks(vertex)
    kept_edges, new_edge = _close_ranks(number)
    return replace(
        mesh,
        vertices=mesh.vertices[kept_vertices],
        edges=take(new_vertex, take(mesh.edges, kept_edges).reshape(-1)).reshape(-1, 2),
        edge_layer=mesh.edge_layer[kept_edges],
        edge_unit=mesh.edge_unit[kept_edges],
        loops=2 * take(new_edge, mesh.loops >> 1) + (mesh.loops & 1),
    )


def _close_ranks(representative: Array) -> tuple[Array, Array]:
    """Members that represent themselves, and everybody's number among them."""
    stays = representative == arange(0, len(representative), representative)
    return positions(stays), take(stays.cumsum(0) - 1, representative)
