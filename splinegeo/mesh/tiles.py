"""Subdivisions cut into tiles: every tile gets its own copy of what it shares with its neighbours.

A tile is a compact set of regions, which will be refined by events of its own. The edges between two tiles, the *seam*,
exist twice from then on. Each copy is labelled by a code that its pieces inherit however it is split, so that `stitch`
(in seams.py) finds the pieces of both sides at the end and makes one of them again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

from .arrays import (
    Array,
    arange,
    argsort,
    bincount,
    concat,
    flags,
    positions,
    put,
    put_least,
    repeat,
    search,
    take,
    tiny,
    where,
    whole,
    zeros,
)
from .order import argsort_along, is_first, starts_of, unique
from .subdivision import BORDER, Subdivision

_CURVE_BITS = 16


class Seams:
    """What the codes on the copies of cut edges mean; shared by all tiles of one computation.

    Code ``c`` stands in a tile's subdivision as the label (`BORDER`, ``-2 - c``). The two copies of an edge have the
    codes ``2 s`` and ``2 s + 1``; where a later cut gives pieces of a copy to several tiles, they get codes of their
    own, which ascend along it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._parents: list[Array] = []
        self._layers: list[Array] = []
        self._units: list[Array] = []
        self._n = 0

    def _add(self, parent: Array, layer: Array, unit: Array) -> int:
        """New codes, in order; returns the first."""
        if len(parent) % 2:  # copies have an even and an odd code: so does every block
            layer, unit = (concat([x, x[:1]]) for x in (layer, unit))
            parent = concat([parent, zeros(1, parent) - 1])
        with self._lock:
            first, self._n = self._n, self._n + len(parent)
            self._parents.append(parent)
            self._layers.append(layer)
            self._units.append(unit)
        return first

    def copies(self, layer: Array, unit: Array) -> Array:
        """(2 n,) codes for the two copies of n edges with these labels, copy after copy of each edge."""
        first = self._add(zeros(2 * len(layer), layer) - 1, repeat(layer, 2), repeat(unit, 2))
        return arange(first, first + 2 * len(layer), layer)

    def pieces(self, parent: Array) -> Array:
        """(n,) codes for pieces, in their order, of copies with these codes."""
        first = self._add(parent, zeros(len(parent), parent), zeros(len(parent), parent))
        return arange(first, first + len(parent), parent)

    def __len__(self) -> int:
        return self._n

    def table(self) -> tuple[Array, Array, Array]:
        """(n,) parent, layer and unit of every code; -1 is the parent of a first copy."""
        return concat(self._parents), concat(self._layers), concat(self._units)


def codes_of(mesh: Subdivision) -> Array:
    """(E,) code of each edge that is a piece of a seam; negative for all others."""
    return where(mesh.edge_layer == BORDER, -2 - mesh.edge_unit, -1)


@dataclass(frozen=True)
class Cut:
    """A subdivision cut into T tiles, no two of which share anything; everything in its arrays stands tile after tile.

    Attributes
    ----------
    mesh : Subdivision
    tile : (R,) number of each region's tile
    source : (V',) the vertex of the subdivision before that each vertex is a copy of
    """

    mesh: Subdivision
    tile: Array
    source: Array

    @property
    def n_tiles(self) -> int:
        """T."""
        return int(self.tile[-1]) + 1

    def part(self, start: int, stop: int) -> tuple[Subdivision, Array]:
        """The subdivision of some consecutive tiles, and the source of each of its vertices."""
        mesh = self.mesh
        bounds = search(self.tile, concat([zeros(1, self.tile) + start, zeros(1, self.tile) + stop]))
        regions = slice(int(bounds[0]), int(bounds[1]))
        slots = slice(int(mesh.offsets[regions.start]), int(mesh.offsets[regions.stop]))
        loops = mesh.loops[slots]
        edges = slice(int(loops.min()) >> 1, (int(loops.max()) >> 1) + 1)
        ends = mesh.edges[edges]
        vertices = slice(int(ends.min()), int(ends.max()) + 1)
        part = Subdivision(
            vertices=mesh.vertices[vertices],
            edges=ends - vertices.start,
            edge_layer=mesh.edge_layer[edges],
            edge_unit=mesh.edge_unit[edges],
            loops=loops - 2 * edges.start,
            offsets=mesh.offsets[regions.start : regions.stop + 1] - slots.start,
            window=mesh.window[regions],
        )
        return part, self.source[vertices]


def cut_into_tiles(mesh: Subdivision, tile: Array, seams: Seams) -> Cut:
    """Give every tile its own edges and vertices.

    Parameters
    ----------
    tile : (R,) number of the tile that each region goes to, from 0 on without a gap
    """
    order = argsort(tile)
    half_edges, offsets = mesh.loops_of(order)
    tile = take(tile, order)
    slot_tile = repeat(tile, offsets[1:] - offsets[:-1])
    n_edges, n_vertices = len(mesh.edges), len(mesh.vertices)
    edge_key, number = unique(slot_tile * n_edges + (half_edges >> 1))
    old_edge, edge_tile = edge_key % n_edges, edge_key // n_edges
    vertex_key, ends = unique(edge_tile[:, None] * n_vertices + take(mesh.edges, old_edge))
    layer, unit = _labels(mesh, old_edge, seams)
    source = vertex_key % n_vertices
    cut = Subdivision(
        vertices=take(mesh.vertices, source),
        edges=ends,
        edge_layer=layer,
        edge_unit=unit,
        loops=2 * number + (half_edges & 1),
        offsets=offsets,
        window=take(mesh.window, order),
    )
    return Cut(cut, tile, source)


def _labels(mesh: Subdivision, old_edge: Array, seams: Seams) -> tuple[Array, Array]:
    """Labels of copies of edges: those with a twin become seams, pieces of seams are numbered anew."""
    layer, unit = take(mesh.edge_layer, old_edge), take(mesh.edge_unit, old_edge)
    twice = positions(take(bincount(old_edge, len(mesh.edges)), old_edge) == 2)
    twice = take(twice, argsort(take(old_edge, twice)))  # both copies of an edge stand together
    codes = seams.copies(take(layer, twice)[0::2], take(unit, twice)[0::2])
    layer, unit = put(layer + 0, twice, zeros(len(twice), unit) + BORDER), put(unit + 0, twice, -2 - codes)
    pieces = positions(codes_of(replace(mesh, edge_layer=layer, edge_unit=unit)) >= 0)
    was = take(take(mesh.edge_unit, old_edge), pieces)
    pieces = pieces[(take(take(mesh.edge_layer, old_edge), pieces) == BORDER) & (was < BORDER)]
    pieces = take(pieces, argsort(take(old_edge, pieces)))  # pieces of one copy stand in their order along it
    return layer, put(unit, pieces, -2 - seams.pieces(-2 - take(unit, pieces)))


def runs_along_a_curve(mesh: Subdivision, n_tiles: int) -> Array:
    """(R,) tile of each region: runs of about equally many corners along a space-filling curve, window after window."""
    sizes, corner, first = mesh.sizes(), mesh.loop_vertices(), mesh.offsets[:-1]
    # Between two corners far apart: a GPU adds up many in no order of its own, and regions would be numbered so, too.
    one, other = (take(mesh.vertices, take(corner, slot)) for slot in (first, first + sizes // 2))
    x, y = (_steps((one[:, i] + other[:, i]) / 2) for i in (0, 1))
    order = argsort((mesh.window << (2 * _CURVE_BITS)) + spread_bits(x) + 2 * spread_bits(y))
    ordered = take(sizes, order)
    # By the middle of each region in the run: two regions then never make one group of two.
    middle = 2 * ordered.cumsum(0) - ordered
    group = is_first(middle * n_tiles // (2 * len(mesh.loops))).cumsum(0) - 1
    return put(zeros(len(order), order), order, group)


def _steps(x: Array) -> Array:
    """Positions on a scale of integers."""
    low, high = float(x.min()), float(x.max())
    return whole((x - low) / max(high - low, tiny(x)) * (2**_CURVE_BITS - 1))


def spread_bits(bits: Array) -> Array:
    """The lowest 16 bits apart: bit i goes to bit 2 i."""
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        bits = (bits | (bits << shift)) & mask
    return bits


def compact_tiles(mesh: Subdivision, n_parts: Array) -> Array:
    """(R,) tile of each region, when every window is cut into so many parts of about equally many corners.

    A k-d tree: parts are halved along their longer side until there are enough.

    Parameters
    ----------
    n_parts : (number of windows,)
    """
    corner, first, sizes = mesh.loop_vertices(), mesh.offsets[:-1], mesh.sizes()
    one, other = (take(mesh.vertices, take(corner, slot)) for slot in (first, first + sizes // 2))
    centre = (one + other) / 2
    part, n_parts = mesh.window, n_parts + 0
    while int(n_parts.max()) > 1:
        left = _in_first_half(part, centre, sizes, n_parts)
        halves = zeros((len(n_parts), 2), n_parts)
        halves[:, 0], halves[:, 1] = (n_parts + 1) // 2, n_parts // 2
        kept, part = unique(2 * part + where(left, 0, 1))
        n_parts = take(halves.reshape(-1), kept)
    return part


def _in_first_half(part: Array, centre: Array, weight: Array, n_parts: Array) -> Array:
    """(R,) whether each region goes to the first half of its part, in proportion to the parts that this will have."""
    n = len(n_parts)
    low, high = (_extremes(part, centre, n, sign) for sign in (1, -1))
    extent = high - low
    axis = where(extent[:, 1] > extent[:, 0], 1, 0)
    longer = where(axis == 1, extent[:, 1], extent[:, 0])
    start = where(axis == 1, low[:, 1], low[:, 0])
    along = take(axis, part)
    coordinate = where(along == 1, centre[:, 1], centre[:, 0])
    fraction = ((coordinate - take(start, part)) / where(longer > 0, longer, 1)[part]).clip(0, 1)
    order = argsort_along(part, fraction)
    ordered = take(part, order)
    total = starts_of(take(weight, order))
    first_of = positions(is_first(ordered))
    present = take(ordered, first_of)  # parts that have regions at all: all of them
    begin = put(zeros(n, part), present, take(total, first_of))
    end = put(zeros(n, part), present, take(total, concat([first_of[1:], first_of[:1] * 0 + len(part)])))
    middle = total[:-1] + total[1:] - 2 * take(begin, ordered)  # twice the middle of each region's weight
    first_half = take((n_parts + 1) // 2, ordered)
    left = middle * take(n_parts, ordered) < 2 * take(end - begin, ordered) * first_half
    last_of = concat([first_of[1:], first_of[:1] * 0 + len(part)]) - 1
    left[last_of], left[first_of] = False, True  # no half is empty
    left |= take(n_parts, ordered) == 1
    return put(flags(len(order), False, order), order, left)


def _extremes(part: Array, centre: Array, n: int, sign: int) -> Array:
    """(n, 2) least coordinates of each part's centres, or the greatest for sign -1."""
    result = zeros((n, 2), centre) + centre[:1] * 0
    for i in (0, 1):
        column = sign * centre[:, i]
        least = result[:, i] + float(column.max())
        result[:, i] = sign * put_least(least, part, column)
    return result
