"""The planar subdivision: vertices, edges, and regions as loops of half-edges in ragged arrays.

Edge e has two half-edges: ``2 e`` runs from ``edges[e, 0]`` to ``edges[e, 1]`` and ``2 e + 1`` back. Hence the
source of half-edge h is ``edges.view(-1)[h]`` and its twin is ``h ^ 1``; nothing else needs to be stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .arrays import Array, arange, argsort, bincount, columns, concat, flags, positions, put, repeat, take, where, zeros
from .order import owners, ragged_arange, starts_of

BORDER = -1


@dataclass(frozen=True)
class Subdivision:
    """One or many windows, each cut into convex regions. All windows live in one set of arrays.

    Attributes
    ----------
    vertices : (V, 2) float
    edges : (E, 2) int, end vertices
    edge_layer, edge_unit : (E,) int
        The unit whose zero set the edge lies on; `BORDER` for a window's border.
    loops : (S,) int
        Half-edges of the regions, counter-clockwise, region after region.
    offsets : (R + 1,) int
        Region r is ``loops[offsets[r]:offsets[r + 1]]``.
    window : (R,) int
        Which window each region lies in.
    """

    vertices: Array
    edges: Array
    edge_layer: Array
    edge_unit: Array
    loops: Array
    offsets: Array
    window: Array

    @property
    def n_regions(self) -> int:
        """Number of regions, over all windows."""
        return len(self.window)

    def sizes(self) -> Array:
        """(R,) number of corners of each region."""
        return self.offsets[1:] - self.offsets[:-1]

    def edge_lengths(self) -> Array:
        """(E,) lengths of the edges."""
        first, second = take(self.vertices, self.edges[:, 0]), take(self.vertices, self.edges[:, 1])
        return distances(first, second)

    def loop_vertices(self) -> Array:
        """(S,) source vertex of each half-edge of the loops."""
        return take(self.edges.reshape(-1), self.loops)

    def loop_regions(self) -> Array:
        """(S,) region that each half-edge of the loops belongs to."""
        return owners(self.sizes())

    def slot_of_half_edge(self) -> Array:
        """(2E,) position in `loops` of each half-edge; -1 outside the window."""
        slots = zeros(2 * len(self.edges), self.loops) - 1
        return put(slots, self.loops, arange(0, len(self.loops), self.loops))

    def loops_of(self, regions: Array) -> tuple[Array, Array]:
        """Loops of some regions (n,), and the (n + 1,) offsets of each in them."""
        sizes = take(self.sizes(), regions)
        offsets = starts_of(sizes)
        shift = repeat(take(self.offsets, regions) - offsets[:-1], sizes)
        return take(self.loops, arange(0, len(shift), shift) + shift), offsets

    def edge_regions(self) -> Array:
        """(E, 2) regions on the left of each edge and of its reverse; -1 outside the window."""
        regions = zeros(2 * len(self.edges), self.loops) - 1
        return put(regions, self.loops, self.loop_regions()).reshape(-1, 2)

    def vertex_windows(self) -> Array:
        """(V,) window that each vertex lies in."""
        windows = zeros(len(self.vertices), self.window)
        return put(windows, self.loop_vertices(), repeat(self.window, self.sizes()))

    def next_slot(self) -> Array:
        """(S,) position in `loops` that follows each position, cyclically within its region."""
        following = arange(1, len(self.loops) + 1, self.loops)
        following[self.offsets[1:] - 1] = self.offsets[:-1]
        return following

    def with_vertices(self, vertices: Array) -> Subdivision:
        """The same topology at other coordinates."""
        return replace(self, vertices=vertices)


def distances(one: Array, other: Array) -> Array:
    """(n,) lengths of the segments between points (n, 2)."""
    difference = other - one
    x, y = difference[:, 0], difference[:, 1]
    return (x * x + y * y) ** 0.5


def cut_segments(n_pieces: Array, first: Array, second: Array, inner: Array) -> Array:
    """(n, 2) end nodes of the pieces of segments, segment after segment, each from its first end to its second.

    Parameters
    ----------
    n_pieces, first, second : (m,) of each segment: into how many pieces it is cut, and its end nodes
    inner : (n - m,) the nodes at which they are cut, segment after segment
    """
    last = n_pieces.cumsum(0) - 1
    goes_on = flags(len(inner) + len(last), True, inner)
    goes_on[last] = False
    piece = positions(goes_on)
    ends = zeros((len(goes_on), 2), inner)
    ends[piece, 1] = ends[piece + 1, 0] = inner
    ends[last, 1], ends[last - n_pieces + 1, 0] = second, first
    return ends


def windows(polygons: Sequence[Array]) -> Subdivision:
    """One region per polygon; each polygon is (N, 2), counter-clockwise and convex."""
    vertices = concat(list(polygons))
    sizes = concat([zeros(1, polygon) + len(polygon) for polygon in polygons])
    offsets = starts_of(sizes)
    owner, rank = ragged_arange(sizes)
    source = arange(0, len(vertices), vertices)
    target = offsets[owner] + (rank + 1) % sizes[owner]
    border = zeros(len(source), vertices) + BORDER
    return Subdivision(
        vertices=vertices,
        edges=columns(source, target),
        edge_layer=border,
        edge_unit=border,
        loops=2 * source,
        offsets=offsets,
        window=arange(0, len(polygons), vertices),
    )


def sort_by_window(mesh: Subdivision, n_windows: int) -> tuple[Subdivision, list[list[int]]]:
    """Vertices, edges and regions in the order of their windows, and where each window begins in each of the three."""
    if n_windows == 1:
        return mesh, [[0, len(mesh.vertices)], [0, len(mesh.edges)], [0, mesh.n_regions]]
    regions = mesh.edge_regions()
    inside = where(regions[:, 0] < 0, regions[:, 1], regions[:, 0])
    of = mesh.vertex_windows(), mesh.window[inside], mesh.window
    vertices, edges, regions = (argsort(window) for window in of)
    new_vertex, new_edge = _rank(vertices), _rank(edges)
    loops, offsets = mesh.loops_of(regions)
    ordered = Subdivision(
        vertices=mesh.vertices[vertices],
        edges=new_vertex[mesh.edges[edges]],
        edge_layer=mesh.edge_layer[edges],
        edge_unit=mesh.edge_unit[edges],
        loops=2 * new_edge[loops >> 1] + (loops & 1),
        offsets=offsets,
        window=mesh.window[regions],
    )
    return ordered, [[0, *bincount(window, n_windows).cumsum(0).tolist()] for window in of]


def _rank(order: Array) -> Array:
    """Inverse permutation."""
    return put(zeros(len(order), order), order, arange(0, len(order), order))
