"""The decision boundary: where the class that a network predicts changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..partition import Partition
from ..records import Record
from .decision_cells import decision_cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class DecisionBoundary(Record):
    """Straight segments on which two classes tie for the largest output.

    They form curves: every end inside the window is the end of another segment, or of several where three or more
    classes meet.

    Attributes
    ----------
    vertices : (P, 2) float
        Where segments end, in slice coordinates.
    ends : (B, 2) int
        The vertices that each segment runs from and to. Segments that meet share a vertex.
    region : (B,) int
        The region each segment lies in; of the two on both sides of an edge, the first.
    classes : (B, 2) int
        The two classes that tie, the smaller index first; (0, 1) for a network with one output, whose sign decides.
        The first one wins on the left of the segment.
    """

    vertices: Floats
    ends: Ints
    region: Ints
    classes: Ints

    def __len__(self) -> int:
        return len(self.region)

    def __repr__(self) -> str:
        return f"DecisionBoundary({len(self)} segments, length={self.length:.6g})"

    @property
    def segments(self) -> Floats:
        """(B, 2, 2) end points in slice coordinates."""
        return self.vertices[self.ends]

    @property
    def length(self) -> float:
        """Total length, in slice coordinates (those of the input space)."""
        return float(np.linalg.norm(self.segments[:, 1] - self.segments[:, 0], axis=1).sum())


def decision_boundary(part: Partition) -> DecisionBoundary:
    """Where ``argmax`` of the outputs changes; where the sign does, for a network with one output.

    On a region every output is affine, so the points at which class i is largest are a convex cell of it: see
    `decision_cells`, which makes these cells fit together vertex by vertex. The boundary is what lies between two
    cells of different classes. A region in which more than two classes win has several segments.

    Where outputs tie on a whole edge or region the first class counts, as with ``argmax``; a single output that is
    zero counts as negative.

    Parameters
    ----------
    part : Partition

    Returns
    -------
    DecisionBoundary
        Curves that are closed or end at the window's border. Empty if one class wins everywhere.

    Raises
    ------
    InvalidInputError
        For the result of `linear_regions`, whose regions need not be convex.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> model = torch.nn.Linear(2, 1)
    >>> _ = model.load_state_dict({"weight": torch.tensor([[1., 0.]]), "bias": torch.tensor([-.25])})
    >>> part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    >>> sg.decision_boundary(part).segments[0].tolist()  # f < 0 on its left
    [[0.25, -1.0], [0.25, 1.0]]

    Cut off at zero, the output is nowhere negative; where it is zero it counts as negative.

    >>> part = sg.compute_partition(torch.nn.Sequential(model, torch.nn.ReLU()), part.domain)
    >>> sg.decision_boundary(part).classes.tolist()  # zero, then positive
    [[0, 1]]
    """
    cells = decision_cells(part)
    ends, left, right = cells.sides()
    changes = cells.winner[left] != cells.winner[right]
    ends, left, right = ends[changes], left[changes], right[changes]
    region, classes = np.sort(cells.region[np.stack([left, right])], axis=0), cells.winner[np.stack([left, right])]
    within = region[0] == region[1]
    ends = np.where((classes[0] < classes[1])[:, None], ends, ends[:, ::-1])
    found = _joined(ends, region[0], np.sort(classes, axis=0).T, within)
    return _without_repeats(cells.vertices, *found)


def _joined(ends: Ints, region: Ints, classes: Ints, within: Mask) -> tuple[Ints, Ints, Ints]:
    """Pieces that follow each other on one straight segment, as one.

    A segment inside a region is in pieces where an earlier class was cut before a later one took both sides of the
    cut. Such a vertex has no other piece.
    """
    order = np.argsort(ends.reshape(-1), kind="stable")
    vertex, piece = ends.reshape(-1)[order], order // 2
    _, first, degree = np.unique(vertex, return_index=True, return_counts=True)
    one, other = piece[first[degree == 2]], piece[first[degree == 2] + 1]
    same = within[one] & within[other] & (region[one] == region[other]) & (classes[one] == classes[other]).all(axis=1)
    one, other = one[same], other[same]
    graph = coo_matrix((np.ones(len(one), dtype=np.int8), (one, other)), shape=(len(ends), len(ends)))
    _, segment = connected_components(graph, directed=False)
    inner = np.isin(ends, vertex[first[degree == 2][same]])
    _, representative = np.unique(segment, return_index=True)
    joined = np.zeros((len(representative), 2), dtype=np.int64)
    for column in (0, 1):
        joined[segment[~inner[:, column]], column] = ends[~inner[:, column], column]
    return joined, region[representative], classes[representative]


def _without_repeats(vertices: Floats, ends: Ints, region: Ints, classes: Ints) -> DecisionBoundary:
    """Vertices that are used, those of equal coordinates once; segments without length go."""
    used, ends = np.unique(ends, return_inverse=True)
    points, place = np.unique(vertices[used] + 0.0, axis=0, return_inverse=True)
    ends = place.reshape(-1)[ends.reshape(-1, 2)]
    kept = np.flatnonzero(ends[:, 0] != ends[:, 1])
    kept = kept[np.argsort(region[kept], kind="stable")]
    return DecisionBoundary(points, ends[kept], region[kept], classes[kept])
