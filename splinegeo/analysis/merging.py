"""Dissolving edges of a subdivision: neighbours become one region, whose loop is found without any geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from ..partition import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def merge_regions(part: Partition, label: Ints) -> dict[str, NDArray[Any]]:
    """The arrays of a partition in which all regions of one label are one region.

    Edges between regions of one label go, except for bridges: the fewest that keep the remaining ones connected, so
    that every region is one loop and V − E + F = 1 still holds. Vertices on which no edge is left go too.

    Parameters
    ----------
    part : Partition
    label : (R,) int
        0 to n − 1; the regions of one label are connected through edges.

    Returns
    -------
    dict
        vertices, edges, edge_regions, edge_layer, edge_unit, region_vertices, region_edges and region_offsets.
        Vertices and edges that stay keep their order.
    """
    inside = (part.edge_regions >= 0).all(axis=1)
    sides = label[part.edge_regions]
    dissolved = inside & (sides[:, 0] == sides[:, 1])
    stays = ~dissolved
    stays[_bridges(part, dissolved)] = True
    slots, offsets = _loops(part, label, stays)
    kept_edges = np.flatnonzero(stays)
    kept_vertices = np.unique(part.edges[kept_edges])
    new_vertex, new_edge = _renumbered(kept_vertices, part.n_vertices), _renumbered(kept_edges, part.n_edges)
    return {
        "vertices": part.vertices[kept_vertices],
        "edges": new_vertex[part.edges[kept_edges]],
        "edge_regions": np.where(part.edge_regions >= 0, sides, -1)[kept_edges],
        "edge_layer": part.edge_layer[kept_edges],
        "edge_unit": part.edge_unit[kept_edges],
        "region_vertices": new_vertex[part.region_vertices[slots]],
        "region_edges": new_edge[part.region_edges[slots]],
        "region_offsets": offsets,
    }


def _renumbered(kept: Ints, n: int) -> Ints:
    """New index of each of n old ones; -1 for those that are not kept."""
    new = np.full(n, -1, dtype=np.int64)
    new[kept] = np.arange(len(kept))
    return new


def _loops(part: Partition, label: Ints, stays: Mask) -> tuple[Ints, Ints]:
    """Positions in the old loops, in the order of the new ones, and where each new loop starts.

    After a half-edge that stays comes the one that followed it; if that one is dissolved, the one that follows its
    twin, which is the next around the same vertex, and so on until one stays.
    """
    n_slots = len(part.region_vertices)
    following = np.arange(1, n_slots + 1)
    following[part.region_offsets[1:] - 1] = part.region_offsets[:-1]
    twin = _twins(part.region_edges)
    here = stays[part.region_edges]
    after = following.copy()
    open_ = np.flatnonzero(here & ~here[after])
    while len(open_):
        after[open_] = following[twin[after[open_]]]
        open_ = open_[~here[after[open_]]]
    loops = _cycles(after.tolist(), np.flatnonzero(here).tolist())
    region = np.repeat(label, np.diff(part.region_offsets))
    loops.sort(key=lambda loop: region[loop[0]])
    return np.concatenate(loops), np.concatenate([[0], np.cumsum([len(loop) for loop in loops])])


def _twins(edge: Ints) -> Ints:
    """The other position with the same edge; a position of the window's border is its own twin."""
    order = np.argsort(edge, kind="stable")
    first = np.flatnonzero(np.diff(edge[order]) == 0)
    twin = np.arange(len(edge))
    twin[order[first]], twin[order[first + 1]] = order[first + 1], order[first]
    return twin


def _cycles(after: list[int], starts: list[int]) -> list[list[int]]:
    """The cycles of a permutation, each from its first element in `starts` on."""
    seen = [False] * len(after)
    cycles = []
    for start in starts:
        if seen[start]:
            continue
        cycle, position = [], start
        while not seen[position]:
            seen[position] = True
            cycle.append(position)
            position = after[position]
        cycles.append(cycle)
    return cycles


def _bridges(part: Partition, dissolved: Mask) -> Ints:
    """Dissolved edges that together connect all edges that stay, by a minimum spanning tree without dead ends."""
    n_islands, island = _components(part.edges[~dissolved], part.n_vertices)
    with_edges = np.zeros(n_islands, dtype=bool)
    with_edges[island[part.edges[~dissolved]]] = True
    if with_edges.sum() == 1:
        return np.zeros(0, dtype=np.int64)
    tree, edge_of_weight = _spanning_tree(part, np.flatnonzero(dissolved), island, n_islands)
    order, before = breadth_first_order(tree, int(np.flatnonzero(with_edges)[0]), directed=False)
    needed = with_edges.tolist()
    for node in order[:0:-1].tolist():  # from the leaves on: a node is needed if one behind it is
        if needed[node]:
            needed[before[node]] = True
    behind = np.array([node for node in order[1:].tolist() if needed[node]])
    weight = np.asarray(tree[behind, before[behind]] + tree[before[behind], behind]).reshape(-1)
    return edge_of_weight[weight.astype(np.int64)]


def _components(pairs: Ints, n: int) -> tuple[int, Ints]:
    ones = np.ones(len(pairs), dtype=np.int8)
    count, label = connected_components(coo_matrix((ones, pairs.T), shape=(n, n)), directed=False)
    return int(count), label.astype(np.int64)


def _spanning_tree(part: Partition, edges: Ints, island: Ints, n_islands: int) -> tuple[Any, Ints]:
    """The shortest tree of the given edges that joins all islands, and the edge that each weight in it stands for.

    Weights are ranks of lengths, 1, 2, …: positive, which lengths of slivers may not be, and distinct.
    """
    ends = np.sort(island[part.edges[edges]], axis=1)
    length = np.linalg.norm(np.diff(part.vertices[part.edges[edges]], axis=1)[:, 0], axis=1)
    between = np.flatnonzero(ends[:, 0] != ends[:, 1])
    between = between[np.argsort(length[between], kind="stable")]
    _, first = np.unique(ends[between], axis=0, return_index=True)  # of parallel edges the shortest
    weight, (low, high) = first + 1.0, ends[between[first]].T
    graph = coo_matrix((weight, (low, high)), shape=(n_islands, n_islands)).tocsr()
    return minimum_spanning_tree(graph), np.concatenate([[-1], edges[between]])
