"""Betti numbers: how many components and holes the decision regions on a slice have, and their boundary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..partition import Partition
from ..records import Record
from .boundary import decision_boundary
from .decision_cells import DecisionCells, decision_cells

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class BettiNumbers(Record):
    """Of the decision regions, and of the boundary, on a slice.

    Attributes
    ----------
    components : (n_classes,) int
        b₀: connected parts of the region of each class. Parts that only touch in a point are two.
    holes : (n_classes,) int
        b₁: bounded parts of the rest of the plane that the region surrounds. What lies at the window's border is
        surrounded by nothing.
    boundary_components : int
        b₀ of the decision boundary: its connected parts.
    boundary_holes : int
        b₁ of the decision boundary: its independent closed curves.
    """

    components: Ints
    holes: Ints
    boundary_components: int
    boundary_holes: int


def betti_numbers(part: Partition) -> BettiNumbers:
    """Connected components and holes of the decision region of each class, and of the decision boundary.

    A decision region is the open set of points of the window at which one class has the largest output: cells, edges
    between its own cells, and vertices among its own cells, of which there are F, E and V. Then b₀ counts the parts
    connected through edges, and b₀ − b₁ = F − E + V. The boundary is a graph: b₀ − b₁ = V − E.

    Parameters
    ----------
    part : Partition

    Returns
    -------
    BettiNumbers
        With one output the classes are 0, where it is at most zero, and 1, where it is positive.

    Raises
    ------
    InvalidInputError
        For the result of `linear_regions`.

    References
    ----------
    M. Bianchini, F. Scarselli, On the complexity of neural network classifiers, IEEE TNNLS 2014.

    Examples
    --------
    The diamond |x| + |y| < 1 is one class, the plane around it the other:

    >>> import torch, splinegeo as sg
    >>> from splinegeo.testing import linear_layer
    >>> hidden = linear_layer([[1, 0], [-1, 0], [0, 1], [0, -1]], [0, 0, 0, 0])
    >>> model = torch.nn.Sequential(hidden, torch.nn.ReLU(), linear_layer([[-1, -1, -1, -1]], [1]))
    >>> found = sg.betti_numbers(sg.compute_partition(model, sg.Slice.box((-2, 2), (-2, 2))))
    >>> found.components.tolist(), found.holes.tolist(), found.boundary_components, found.boundary_holes
    ([1, 1], [1, 0], 1, 1)
    """
    cells = decision_cells(part)
    n_classes = max(2, part.offset.shape[1])
    ends, left, right = cells.sides()
    same = cells.winner[left] == cells.winner[right]
    n_cells = len(cells.winner)
    graph = coo_matrix((np.ones(same.sum(), dtype=np.int8), (left[same], right[same])), shape=(n_cells, n_cells))
    _, first = np.unique(connected_components(graph, directed=False)[1], return_index=True)
    components = np.bincount(cells.winner[first], minlength=n_classes)
    faces = np.bincount(cells.winner, minlength=n_classes)
    edges = np.bincount(cells.winner[left[same]], minlength=n_classes)
    vertices = np.bincount(_classes_inside(cells, ends), minlength=n_classes)
    return BettiNumbers(components, components - (faces - edges + vertices), *_of_graph(part))


def _classes_inside(cells: DecisionCells, sides: Ints) -> Ints:
    """The class of every vertex inside the window all of whose cells are won by one class."""
    n = len(cells.vertices)
    low, high = np.full(n, np.iinfo(np.int64).max), np.full(n, -1, dtype=np.int64)
    np.minimum.at(low, cells.corners, cells.winner[cells.owners])
    np.maximum.at(high, cells.corners, cells.winner[cells.owners])
    # Around a vertex inside there are as many sides between cells as there are cells; at the border one fewer.
    inside = np.bincount(sides.reshape(-1), minlength=n) == np.bincount(cells.corners, minlength=n)
    return low[(low == high) & inside]


def _of_graph(part: Partition) -> tuple[int, int]:
    """Components and independent cycles of the decision boundary."""
    boundary = decision_boundary(part)
    n = len(boundary.vertices)
    if not n:
        return 0, 0
    ones = np.ones(len(boundary), dtype=np.int8)
    count = connected_components(coo_matrix((ones, boundary.ends.T), shape=(n, n)), directed=False)[0]
    return int(count), len(boundary) - n + int(count)
