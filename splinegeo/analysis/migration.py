"""Region migration as a number: are the edges at the decision boundary, or at the data?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from ..errors import InvalidInputError
from ..given import real_array
from ..partition import Partition
from ..records import Record
from .density import edge_density
from .targets import Target, as_points

Floats = NDArray[np.float64]

_REACH = 0.02


def migration_index(
    part: Partition, points: ArrayLike | None = None, *, to: Target = "boundary", reach: float = _REACH
) -> float:
    """How much denser the edges are at the decision boundary than at the data: a logarithm to base 2.

    With ρ(T) the edge length per area within the distance ``reach · √(area of the window)`` of T, see `edge_density`,

        index = log₂ ρ(boundary) / ρ(points),    without points    log₂ ρ(boundary) / ρ(window).

    0 where edges are as dense at the one as at the other, 1 where they are twice as dense at the boundary. It does
    not change with the unit of length, nor when the whole slice is turned, mirrored or scaled; it depends on no
    number of regions, so that checkpoints compare. Networks whose edges know nothing of the boundary have 0 on
    average; on *one* slice their index is about ±0.5, because lines are long and edges come in bundles. Whether
    regions have migrated is therefore a question to several slices: `find_migration`.

    Parameters
    ----------
    part : Partition
        A slice through data, such as `Slice.through` three training inputs.
    points : (n, 2) slice coordinates, optional
        The data in the slice: ``domain.project(anchors)``. Inputs far from the plane are not near its edges, and
        their projections say nothing.
    to : as in `edge_density`
        Another set than the partition's decision boundary.
    reach : float
        How near is near. At the default of 0.02 a quarter of a percent of a square window is near each point.

    Returns
    -------
    float
        NaN if the slice has no decision boundary, or no edge near it and none near the points; ±inf if only one of
        the two has.

    Raises
    ------
    InvalidInputError
        If the points are no finite (n, 2) array, or `reach` is not positive.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024, section 3.1.

    Examples
    --------
    A network with the boundary x = 0 and its only edge beside it; the data are at x = ±1:

    >>> import torch, splinegeo as sg
    >>> layer, last = torch.nn.Linear(2, 1), torch.nn.Linear(1, 1)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[1.0, 0.0]]), "bias": torch.tensor([0.01])})
    >>> _ = last.load_state_dict({"weight": torch.tensor([[1.0]]), "bias": torch.tensor([-0.01])})
    >>> part = sg.compute_partition(torch.nn.Sequential(layer, torch.nn.ReLU(), last), sg.Slice.box((-2, 2), (-2, 2)))
    >>> sg.migration_index(part, [[-1, 0], [1, 0]])
    inf
    >>> round(sg.migration_index(part, reach=0.02), 6)  # 25 times as dense within 0.08 of it: 1 / 0.16 against 1 / 4
    4.643856
    """
    if not 0 < reach < np.inf:
        raise InvalidInputError(f"reach must be a positive share of the window's size, not {reach!r}")
    ends = np.array([0.0, reach * float(part.areas.sum()) ** 0.5])
    near = edge_density(part, to, distances=ends)
    there = near.mean if points is None else float(edge_density(part, as_points(points), distances=ends).density[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log2(near.density[0] / np.float64(there)))


@dataclass(frozen=True, eq=False, repr=False)
class Migration(Record):
    """What `find_migration` found.

    Attributes
    ----------
    mean : (n,) float
        Mean of the index over the slices.
    increase : (n,) float
        Mean over the slices of the index less that of the same slice at the checkpoint `since`.
    margin : (n,) float
        What the increase must exceed; inf where fewer than two slices compare.
    since : int
        The checkpoint of reference.
    """

    mean: Floats
    increase: Floats
    margin: Floats
    since: int

    @property
    def migrated(self) -> NDArray[np.bool_]:
        """(n,) whether the index has increased beyond noise; false up to `since`."""
        return (np.arange(len(self.mean)) > self.since) & (self.increase > self.margin)

    @property
    def onset(self) -> int | None:
        """The first checkpoint at which regions have migrated; None if there is none."""
        found = np.flatnonzero(self.migrated)
        return int(found[0]) if len(found) else None


def find_migration(index: ArrayLike, *, since: int = 0, level: float = 0.99) -> Migration:
    """Have regions migrated towards the decision boundary, over the checkpoints of a training run?

    They have by checkpoint k if the migration index, averaged over slices, is larger than at the checkpoint
    `since`, by more than differences between slices explain: if the lower end of the one-sided Student interval of
    the mean increase is above zero. Slices are the units of the statistics, as many as there are, because one slice
    is an anecdote: its edges are few long lines. The level holds for all later checkpoints together (Bonferroni).

    Parameters
    ----------
    index : (n, S) float
        `migration_index` of n checkpoints on S slices, best drawn at random among the data. Pairs with NaN or inf
        are left out.
    since : int
        The checkpoint to compare with: 0, or the one at which the training set is fitted, for a question to what
        comes after.
    level : float
        Confidence.

    Returns
    -------
    Migration

    Raises
    ------
    InvalidInputError
        If `index` is no table with a row `since`, or `level` does not lie between 0 and 1.

    Examples
    --------
    >>> import splinegeo as sg
    >>> found = sg.find_migration([[-0.5, -0.7, -0.4], [-0.6, -0.6, -0.5], [0.5, 0.4, 0.6]])
    >>> found.migrated.tolist(), found.onset
    ([False, False, True], 2)
    """
    table = real_array(index, "index")
    if table.ndim != 2 or not 0 <= since < len(table):
        raise InvalidInputError(f"index has shape {table.shape}: it needs a row for each checkpoint, and row {since}")
    if not 0 < level < 1:
        raise InvalidInputError(f"level must lie between 0 and 1, not {level!r}")
    table = np.where(np.isfinite(table), table, np.nan)
    mean, _, _ = _moments(table)
    increase, spread, n = _moments(table - table[since])
    later = max(1, len(table) - 1 - since)
    with np.errstate(invalid="ignore"):
        margin = -stdtrit(n - 1, (1 - level) / later) * spread / np.sqrt(n)
    return Migration(mean, increase, np.where(n > 1, margin, np.inf), since)


def _moments(table: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, standard deviation and number of the finite entries of each row; NaN without any."""
    known = np.isfinite(table)
    n = known.sum(axis=1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, table, 0).sum(axis=1) / n
        square = np.where(known, table - mean[:, None], 0) ** 2
        return mean, np.sqrt(square.sum(axis=1) / (n - 1)), n
