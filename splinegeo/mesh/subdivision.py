"""The planar subdivision: vertices, edges, and regions as loops of half-edges in ragged arrays.

Edge e has two half-edges: ``2 e`` runs from ``edges[e, 0]`` to ``edges[e, 1]`` and ``2 e + 1`` back. Hence the
source of half-edge h is ``edges.view(-1)[h]`` and its twin is ``h ^ 1``; nothing else needs to be stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .order import ragged_arange, starts_of

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

    vertices: Tensor
    edges: Tensor
    edge_layer: Tensor
    edge_unit: Tensor
    loops: Tensor
    offsets: Tensor
    window: Tensor

    @property
    def n_regions(self) -> int:
        """Number of regions, over all windows."""
        return len(self.window)

    def edge_lengths(self) -> Tensor:
        """(E,) lengths of the edges."""
        first, second = (self.vertices.index_select(0, end) for end in self.edges.unbind(1))
        return (second - first).norm(dim=1)

    def loop_vertices(self) -> Tensor:
        """(S,) source vertex of each half-edge of the loops."""
        return self.edges.reshape(-1).index_select(0, self.loops)

    def loop_regions(self) -> Tensor:
        """(S,) region that each half-edge of the loops belongs to."""
        return torch.repeat_interleave(self.offsets.diff())

    def slot_of_half_edge(self) -> Tensor:
        """(2E,) position in `loops` of each half-edge; -1 outside the window."""
        slots = self.loops.new_full((2 * len(self.edges),), -1)
        return slots.scatter_(0, self.loops, torch.arange(len(self.loops), device=self.loops.device))

    def loops_of(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Loops of some regions (n,), and the (n + 1,) offsets of each in them."""
        sizes = self.offsets.diff()[regions]
        offsets = starts_of(sizes)
        shift = torch.repeat_interleave(self.offsets[regions] - offsets[:-1], sizes)
        return self.loops[torch.arange(len(shift), device=shift.device) + shift], offsets

    def edge_regions(self) -> Tensor:
        """(E, 2) regions on the left of each edge and of its reverse; -1 outside the window."""
        regions = self.loops.new_full((2 * len(self.edges),), -1)
        return regions.scatter_(0, self.loops, self.loop_regions()).reshape(-1, 2)

    def vertex_windows(self) -> Tensor:
        """(V,) window that each vertex lies in."""
        windows = self.loops.new_zeros(len(self.vertices))
        return windows.scatter_(0, self.loop_vertices(), torch.repeat_interleave(self.window, self.offsets.diff()))

    def next_slot(self) -> Tensor:
        """(S,) position in `loops` that follows each position, cyclically within its region."""
        following = torch.arange(1, len(self.loops) + 1, device=self.loops.device)
        following[self.offsets[1:] - 1] = self.offsets[:-1]
        return following

    def with_vertices(self, vertices: Tensor) -> Subdivision:
        """The same topology at other coordinates."""
        return replace(self, vertices=vertices)


def windows(polygons: Sequence[Tensor]) -> Subdivision:
    """One region per polygon; each polygon is (N, 2), counter-clockwise and convex."""
    vertices = torch.cat(list(polygons))
    device = vertices.device
    sizes = torch.tensor([len(p) for p in polygons], device=device)
    offsets = starts_of(sizes)
    owner, rank = ragged_arange(sizes)
    source = torch.arange(len(vertices), device=device)
    target = offsets[owner] + (rank + 1) % sizes[owner]
    border = torch.full_like(source, BORDER)
    return Subdivision(
        vertices=vertices,
        edges=torch.stack([source, target], dim=1),
        edge_layer=border,
        edge_unit=border,
        loops=2 * source,
        offsets=offsets,
        window=torch.arange(len(polygons), device=device),
    )


def sort_by_window(mesh: Subdivision, n_windows: int) -> tuple[Subdivision, list[list[int]]]:
    """Vertices, edges and regions in the order of their windows, and where each window begins in each of the three."""
    if n_windows == 1:
        return mesh, [[0, len(mesh.vertices)], [0, len(mesh.edges)], [0, mesh.n_regions]]
    of = mesh.vertex_windows(), mesh.window[mesh.edge_regions().amax(1)], mesh.window
    vertices, edges, regions = (torch.sort(window, stable=True).indices for window in of)
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
    return ordered, [[0, *torch.bincount(window, minlength=n_windows).cumsum(0).tolist()] for window in of]


def _rank(order: Tensor) -> Tensor:
    """Inverse permutation."""
    return torch.zeros_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
