"""How far points are from the nearest region edge, and from the decision boundary."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..partition import Partition
from .targets import SegmentSet, as_points, as_target

Floats = NDArray[np.float64]


def distance_to_edges(part: Partition, points: ArrayLike) -> Floats:
    """Distance from each point to the nearest edge between two regions.

    The window's border is no such edge, and what lies beyond it is not seen: for a point nearer to the border than
    to any edge the distance is an upper bound.

    Parameters
    ----------
    part : Partition
    points : (n, 2) slice coordinates
        Of inputs in the plane of the slice; others are first projected by `Slice.project`, and the distance is then
        that of the projection.

    Returns
    -------
    (n,) float
        In slice coordinates, which are lengths of the input space; inf if the slice has no inner edge.

    Raises
    ------
    InvalidInputError
        If the points are no finite (n, 2) array.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> unit = torch.nn.Linear(2, 1)
    >>> _ = unit.load_state_dict({"weight": torch.tensor([[3.0, 4.0]]), "bias": torch.tensor([-1.0])})
    >>> part = sg.compute_partition(torch.nn.Sequential(unit, torch.nn.ReLU()), sg.Slice.box((-1, 1), (-1, 1)))
    >>> sg.distance_to_edges(part, [[0, 0], [-0.5, -0.5]]).round(12).tolist()
    [0.2, 0.9]
    >>> sg.distance_to_edges(sg.compute_partition(unit, part.domain), [[0, 0]]).tolist()
    [inf]
    """
    return SegmentSet(part.vertices[part.edges[part.inner_edges]]).distances(as_points(points))


def distance_to_boundary(part: Partition, points: ArrayLike) -> Floats:
    """Distance from each point to the decision boundary, see `decision_boundary`.

    On the slice this is the smallest perturbation *within the plane* that changes the predicted class.

    Parameters
    ----------
    part : Partition
    points : (n, 2) slice coordinates

    Returns
    -------
    (n,) float
        In slice coordinates, which are lengths of the input space; inf if one class wins on the whole slice.

    Raises
    ------
    InvalidInputError
        If the points are no finite (n, 2) array.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> model = torch.nn.Linear(2, 1)
    >>> _ = model.load_state_dict({"weight": torch.tensor([[3.0, 4.0]]), "bias": torch.tensor([-1.0])})
    >>> part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    >>> sg.distance_to_boundary(part, [[0, 0], [-0.5, -0.5]]).round(12).tolist()
    [0.2, 0.9]
    """
    return as_target(part, "boundary").distances(as_points(points))
