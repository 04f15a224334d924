"""A subdivision cut into tiles that are refined one by one, or side by side, and stitched together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from .order import argsort, starts_of
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
    vertices: Tensor


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
    seam: Tensor
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
        pieces = torch.cat([seam.piece + first for seam, first in zip(seams, first_edge, strict=True)])
        return self._relabel(_identify(joined, *_pairs(pieces, torch.cat([seam.rank for seam in seams]))))

    def _seam_in(self, tile: Tile, mesh: Subdivision) -> Seam:
        piece = torch.nonzero(self._is_coded(mesh))[:, 0]
        rank = self.first_code - mesh.edge_unit[piece]
        ends = torch.searchsorted(tile.vertices, self.whole.edges[self.seam[rank]])
        return Seam.trace(mesh, piece, rank, ends)

    def _is_coded(self, mesh: Subdivision) -> Tensor:
        rank = self.first_code - mesh.edge_unit
        return (mesh.edge_layer == BORDER) & (rank >= 0) & (rank < len(self.seam))

    def _relabel(self, mesh: Subdivision) -> Subdivision:
        """With the labels that the seam's edges have in the whole."""
        piece = torch.nonzero(self._is_coded(mesh))[:, 0]
        edge = self.seam[self.first_code - mesh.edge_unit[piece]]
        layer, unit = mesh.edge_layer.clone(), mesh.edge_unit.clone()
        layer[piece], unit[piece] = self.whole.edge_layer[edge], self.whole.edge_unit[edge]
        return replace(mesh, edge_layer=layer, edge_unit=unit)


def cut_into_tiles(mesh: Subdivision, n_tiles: int) -> Tiling:
    """At most `n_tiles` tiles with about equally many half-edges, each a compact part of one or several windows."""
    group = _groups(mesh, n_tiles)
    regions = mesh.edge_regions()
    left, right = group[regions.clamp(min=0)].unbind(1)
    seam = torch.nonzero((left != right) & (regions >= 0).all(dim=1))[:, 0]
    first_code = min(int(mesh.edge_unit.min()), BORDER) - 1
    layer, unit = mesh.edge_layer.clone(), mesh.edge_unit.clone()
    layer[seam] = BORDER
    unit[seam] = first_code - torch.arange(len(seam), device=unit.device)
    coded = replace(mesh, edge_layer=layer, edge_unit=unit)
    tiles = [_tile(coded, torch.nonzero(group == g)[:, 0]) for g in range(int(group.max()) + 1)]
    return Tiling(mesh, tiles, seam, first_code)


def _groups(mesh: Subdivision, n_tiles: int) -> Tensor:
    """(R,) the tile that each region goes to: runs along a space-filling curve, window after window."""
    sizes = mesh.offsets.diff()
    corners = mesh.vertices[mesh.loop_vertices()]
    mean = corners.new_zeros((mesh.n_regions, 2)).index_add_(0, mesh.loop_regions(), corners) / sizes[:, None]
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    x, y = ((mean - low) / (high - low) * (2**_MORTON_BITS - 1)).long().unbind(1)
    order = argsort((mesh.window << (2 * _MORTON_BITS)) + _spread(x) + 2 * _spread(y))
    group = torch.zeros_like(order)
    # By the middle of each region in the run: two regions then never make one group of two.
    middle = 2 * starts_of(sizes[order])[:-1] + sizes[order]
    group[order] = middle * n_tiles // (2 * len(mesh.loops))
    return torch.unique(group, return_inverse=True)[1]


def _spread(bits: Tensor) -> Tensor:
    """The lowest 16 bits apart: bit i goes to bit 2 i."""
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        bits = (bits | (bits << shift)) & mask
    return bits


def _tile(mesh: Subdivision, regions: Tensor) -> Tile:
    half_edges, offsets = mesh.loops_of(regions)
    edges, number = torch.unique(half_edges >> 1, return_inverse=True)
    vertices, ends = torch.unique(mesh.edges[edges], return_inverse=True)
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


def _side_by_side(old: Tensor, tiles: Sequence[Tile], meshes: Sequence[Subdivision]) -> Subdivision:
    """All tiles in one set of arrays, after the `old` vertices of the whole; edges of the seam occur twice."""
    edges, loops, offsets, n_vertices, n_edges, n_slots = [], [], [], len(old), 0, 0
    for tile, mesh in zip(tiles, meshes, strict=True):
        born = len(mesh.vertices) - len(tile.vertices)
        number = torch.cat([tile.vertices, torch.arange(n_vertices, n_vertices + born, device=tile.vertices.device)])
        edges.append(number[mesh.edges])
        loops.append(mesh.loops + 2 * n_edges)
        offsets.append(mesh.offsets[:-1] + n_slots)
        n_vertices, n_edges, n_slots = n_vertices + born, n_edges + len(mesh.edges), n_slots + len(mesh.loops)
    births = [mesh.vertices[len(tile.vertices) :] for tile, mesh in zip(tiles, meshes, strict=True)]
    return Subdivision(
        vertices=torch.cat([old, *births]),
        edges=torch.cat(edges),
        edge_layer=torch.cat([mesh.edge_layer for mesh in meshes]),
        edge_unit=torch.cat([mesh.edge_unit for mesh in meshes]),
        loops=torch.cat(loops),
        offsets=torch.cat([*offsets, offsets[0].new_tensor([n_slots])]),
        window=torch.cat([mesh.window for mesh in meshes]),
    )


def _pairs(piece: Tensor, rank: Tensor) -> tuple[Tensor, Tensor]:
    """Pieces of the seam from one side, and the same ones from the other, in order along each edge.

    Parameters
    ----------
    piece, rank : (p,) all pieces, tile after tile; both tiles of an edge of the seam have equally many
    """
    piece = piece[argsort(rank)]
    n_pieces = torch.bincount(rank)
    second_half = torch.arange(len(piece), device=piece.device) - torch.repeat_interleave(
        starts_of(n_pieces)[:-1] + n_pieces // 2, n_pieces
    )
    return piece[second_half < 0], piece[second_half >= 0]


def _identify(mesh: Subdivision, edge: Tensor, copy: Tensor) -> Subdivision:
    """Each edge of `copy` and its ends become those of `edge`; vertices and edges close their ranks."""
    own, other = mesh.edges[edge], mesh.edges[copy]
    vertex = torch.arange(len(mesh.vertices), device=edge.device)
    vertex[other] = own
    number = torch.arange(len(mesh.edges), device=edge.device)
    number[copy] = edge
    kept_vertices, new_vertex = _close_ranks(vertex)
    kept_edges, new_edge = _close_ranks(number)
    return replace(
        mesh,
        vertices=mesh.vertices[kept_vertices],
        edges=new_vertex[mesh.edges[kept_edges]],
        edge_layer=mesh.edge_layer[kept_edges],
        edge_unit=mesh.edge_unit[kept_edges],
        loops=2 * new_edge[mesh.loops >> 1] + (mesh.loops & 1),
    )


def _close_ranks(representative: Tensor) -> tuple[Tensor, Tensor]:
    """Members that represent themselves, and everybody's number among them."""
    stays = representative == torch.arange(len(representative), device=representative.device)
    return torch.nonzero(stays)[:, 0], (stays.long().cumsum(0) - 1)[representative]
