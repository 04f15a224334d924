"""`edge_density`: how much edge there is per area, at each distance from the decision boundary or from points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInputError
from ..given import real_array
from ..partition import Partition
from ..records import Record
from .stretches import length_within
from .targets import Target, as_target

Floats = NDArray[np.float64]

_BANDS = 10
_FARTHEST = 0.25  # of the square root of the window's area: where the default bands end


@dataclass(frozen=True, eq=False, repr=False)
class EdgeDensity(Record):
    """Edge length per area in bands of distance.

    Attributes
    ----------
    distances : (K + 1,) float
        Band k holds what is at least ``distances[k]`` and less than ``distances[k + 1]`` away from the target.
    length : (K,) float
        Length of the edges in each band.
    area : (K,) float
        Area of each band within the window.
    mean : float
        Edge length per area of the whole window.
    """

    distances: Floats
    length: Floats
    area: Floats
    mean: float

    @property
    def density(self) -> Floats:
        """(K,) edge length per area, in one over slice coordinates; NaN where a band has no area."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.area > 0, self.length / self.area, np.nan)

    @property
    def relative(self) -> Floats:
        """(K,) density over that of the whole window: 1 where edges are as frequent as on average."""
        return self.density / self.mean if self.mean > 0 else np.full(len(self.length), np.nan)


def edge_density(part: Partition, to: Target = "boundary", *, distances: ArrayLike | None = None) -> EdgeDensity:
    """Edge length per unit area of the slice, as a function of the distance to a target.

    Counted are the edges between regions; the window's border and the decision boundary, which is no edge where the
    outputs are affine on both sides of it, are not. The lengths are exact up to rounding: every edge is cut where
    its distance to the target is that of a band's end. The areas are those of the target's neighbourhoods within
    the window, in which arcs are polygons with 128 corners per quarter: the area of a disc is 2.5e-5 too small.

    By the formula of Crofton an edge density ρ means 2ρ/π edges met per unit length of a random straight path.

    Parameters
    ----------
    part : Partition
    to : "boundary", DecisionBoundary, (n, 2) or (n, 2, 2) floats
        The target: the partition's decision boundary, another one, points, or segments, in slice coordinates. What
        lies outside the window counts as a target too.
    distances : (K + 1,) ascending floats, optional
        Ends of the bands, in slice coordinates; the last one may be inf. By default ten bands up to a quarter of the
        square root of the window's area: the same at every checkpoint.

    Returns
    -------
    EdgeDensity
        Without a target nothing is near it: bands of finite distance have no area, and the density NaN.

    Raises
    ------
    InvalidInputError
        If the distances do not ascend or are negative, or the target is none.

    Examples
    --------
    One line at distance 0.5 from a point: within the disc of radius 1 lies a chord of length √3.

    >>> import numpy as np, torch, splinegeo as sg
    >>> unit = torch.nn.Linear(2, 1)
    >>> _ = unit.load_state_dict({"weight": torch.tensor([[1.0, 0.0]]), "bias": torch.tensor([-0.5])})
    >>> part = sg.compute_partition(torch.nn.Sequential(unit, torch.nn.ReLU()), sg.Slice.box((-2, 2), (-2, 2)))
    >>> found = sg.edge_density(part, [[0.0, 0.0]], distances=[0, 0.5, 1, np.inf])
    >>> found.length.round(6).tolist()
    [0.0, 1.732051, 2.267949]
    >>> (found.area / np.pi).round(3).tolist()
    [0.25, 0.75, 4.093]
    """
    ends = _bands(part, distances)
    target = as_target(part, to)
    segments = part.vertices[part.edges[part.inner_edges]]
    window = shapely.Polygon(part.domain.window)
    length = length_within(segments, target, ends)
    area = np.array([target.area_within(distance, window) for distance in ends])
    total = float(np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1).sum())
    return EdgeDensity(ends, np.diff(length), np.diff(area), total / float(window.area))


def _bands(part: Partition, distances: ArrayLike | None) -> Floats:
    if distances is None:
        return np.linspace(0, _FARTHEST * float(shapely.Polygon(part.domain.window).area) ** 0.5, _BANDS + 1)
    ends = real_array(distances, "distances")
    if ends.ndim != 1 or len(ends) < 2 or np.isnan(ends).any() or ends[0] < 0 or (np.diff(ends) <= 0).any():
        raise InvalidInputError(f"distances are two or more ascending numbers from 0 on, not {distances!r}")
    return ends
