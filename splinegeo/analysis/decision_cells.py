"""The slice cut by predicted class: convex cells, in each of which one class has the largest output.

The largest output is one more layer: the running maximum of the classes, taken one after the other. Each class is
compared with the maximum so far at the *vertices*, once for all cells that share them, and every crossing is made
once for each edge. So the cells fit together vertex by vertex, whatever rounding does: what bounds a class cannot end
inside the window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInputError
from ..partition import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class DecisionCells:
    """Convex cells that together are the window, each within one region and won by one class.

    Attributes
    ----------
    vertices : (V, 2) float
        Slice coordinates; those of the partition come first.
    corners : (S,) int
        Counter-clockwise loops, cell after cell.
    offsets : (C + 1,) int
        Cell c is ``corners[offsets[c]:offsets[c + 1]]``.
    region : (C,) int
    winner : (C,) int
        The class with the largest output, the first of those that tie.
    """

    vertices: Floats
    corners: Ints
    offsets: Ints
    region: Ints
    winner: Ints

    @property
    def following(self) -> Ints:
        """(S,) position of the next corner of the same loop."""
        following = np.arange(1, len(self.corners) + 1)
        following[self.offsets[1:] - 1] = self.offsets[:-1]
        return following

    @property
    def owners(self) -> Ints:
        """(S,) the cell of each corner."""
        return np.repeat(np.arange(len(self.region)), np.diff(self.offsets))

    def sides(self) -> tuple[Ints, Ints, Ints]:
        """Sides between two cells: start and end (n, 2), the cells (n,) on the left and on the right of each.

        Every one of them stands in two loops, in opposite directions.
        """
        start, end, owner = self.corners, self.corners[self.following], self.owners
        number = np.minimum(start, end) * len(self.vertices) + np.maximum(start, end)
        order = np.argsort(number, kind="stable")
        twice = np.flatnonzero(number[order][1:] == number[order][:-1])
        here, there = order[twice], order[twice + 1]
        return np.stack([start[here], end[here]], axis=1), owner[here], owner[there]


def decision_cells(part: Partition) -> DecisionCells:
    """Cut every region where the predicted class changes.

    Class k is compared with the largest of the classes before it: e = f_k − max(f_0, …, f_{k−1}) is affine on every
    cell made so far. Where e > 0 at some corners of a cell and e < 0 at others the cell is cut along e = 0; where
    e ≥ 0, and not zero everywhere, k wins all of it. Ties thus go to the first class, as with ``argmax``. Values that
    rounding cannot tell from zero are zero.

    Raises
    ------
    InvalidInputError
        For the result of `linear_regions`, whose regions need not be convex.
    """
    if not part.has_convex_regions:
        raise InvalidInputError("the boundary is found in convex regions: ask the partition that was merged for it")
    values, rounding = _values_at_vertices(part)
    everything = np.arange(part.n_regions)
    cells = DecisionCells(
        part.vertices, part.region_vertices, part.region_offsets, everything, np.zeros_like(everything)
    )
    largest = values[:, 0].copy()
    for k in range(1, values.shape[1]):
        lead = values[:, k] - largest
        lead[np.abs(lead) <= rounding] = 0
        if not (lead > 0).any():
            continue
        cells, parents, share = _cut(cells, lead, k)
        start, end = parents.T
        values = np.concatenate([values, _between(values[start], values[end], share[:, None])])
        largest = np.concatenate(
            [np.where(lead > 0, values[: len(lead), k], largest), _between(largest[start], largest[end], share)]
        )
        rounding = np.concatenate([rounding, np.maximum(rounding[start], rounding[end])])
    return cells


def _values_at_vertices(part: Partition) -> tuple[Floats, Floats]:
    """Outputs (V, classes) at the vertices, and what rounding may be in their differences (V,).

    Of the regions around a vertex the one whose map loses fewest digits says them. With one output the sign decides:
    the largest of 0 and f.
    """
    reach = np.abs(part.domain.window).max()
    size = reach * np.abs(part.slope).max(axis=(1, 2)) + np.abs(part.offset).max(axis=1)
    owner = np.repeat(np.arange(part.n_regions), np.diff(part.region_offsets))
    best = owner[np.lexsort((size[owner], part.region_vertices))]
    _, first = np.unique(np.sort(part.region_vertices), return_index=True)
    region = best[first]
    values = np.einsum("voi,vi->vo", part.slope[region], part.vertices) + part.offset[region]
    if values.shape[1] == 1:
        values = np.concatenate([np.zeros_like(values), values], axis=1)
    return values, part.certificate.value_tolerance * size[region]


def _between(start: Floats, end: Floats, share: Floats) -> Floats:
    return start + share * (end - start)


def _cut(cells: DecisionCells, lead: Floats, k: int) -> tuple[DecisionCells, Ints, Floats]:
    """Give class k what lies where its lead is positive.

    Returns the cells, and for each new vertex the ends (n, 2) of the edge it lies on and its share of the way.
    """
    sign = np.sign(lead).astype(np.int64)
    low = np.minimum.reduceat(sign[cells.corners], cells.offsets[:-1])
    high = np.maximum.reduceat(sign[cells.corners], cells.offsets[:-1])
    winner = np.where((high > 0) & (low >= 0), k, cells.winner)
    is_cut = (high > 0) & (low < 0)
    kept, torn = _choose(replace(cells, winner=winner), ~is_cut), _choose(cells, is_cut)
    torn, parents = _with_crossings(torn, sign)
    share = lead[parents[:, 0]] / (lead[parents[:, 0]] - lead[parents[:, 1]])
    points = _between(cells.vertices[parents[:, 0]], cells.vertices[parents[:, 1]], share[:, None])
    sign = np.concatenate([sign, np.zeros(len(parents), dtype=np.int64)])
    torn = _from_below(torn, sign)
    pieces = [kept, _remainders(torn, sign), _gains(torn, sign, k)]
    return _together(pieces, np.concatenate([cells.vertices, points])), parents, share


def _choose(cells: DecisionCells, chosen: Mask) -> DecisionCells:
    sizes = np.diff(cells.offsets)
    corners = cells.corners[np.repeat(chosen, sizes)]
    return replace(
        cells,
        corners=corners,
        offsets=_offsets(sizes[chosen]),
        region=cells.region[chosen],
        winner=cells.winner[chosen],
    )


def _offsets(sizes: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)])


def _together(pieces: list[DecisionCells], vertices: Floats) -> DecisionCells:
    return DecisionCells(
        vertices,
        np.concatenate([piece.corners for piece in pieces]),
        _offsets(np.concatenate([np.diff(piece.offsets) for piece in pieces])),
        np.concatenate([piece.region for piece in pieces]),
        np.concatenate([piece.winner for piece in pieces]),
    )


def _with_crossings(cells: DecisionCells, sign: Ints) -> tuple[DecisionCells, Ints]:
    """The same loops with a new vertex on every edge whose ends have opposite signs, and those ends (n, 2).

    An edge is known by its two ends: the cells on both sides of it get the same vertex.
    """
    start, end = cells.corners, cells.corners[cells.following]
    crossed = np.flatnonzero(sign[start] * sign[end] < 0)
    pairs = np.sort(np.stack([start[crossed], end[crossed]], axis=1))
    parents, vertex = np.unique(pairs, axis=0, return_inverse=True)
    corners = np.insert(cells.corners, crossed + 1, len(sign) + vertex.reshape(-1))
    sizes = np.diff(cells.offsets) + np.bincount(cells.owners[crossed], minlength=len(cells.region))
    return replace(cells, corners=corners, offsets=_offsets(sizes)), parents


def _from_below(cells: DecisionCells, sign: Ints) -> DecisionCells:
    """The same loops, each turned so that it begins at a negative corner: no positive run goes over its end."""
    sizes, start = np.diff(cells.offsets), cells.offsets[:-1]
    place = np.arange(len(cells.corners)) - np.repeat(start, sizes)
    negative = np.where(sign[cells.corners] < 0, place, len(cells.corners))
    shift = np.minimum.reduceat(negative, start) if len(start) else start
    turned = (place + np.repeat(shift, sizes)) % np.repeat(sizes, sizes)
    return replace(cells, corners=cells.corners[np.repeat(start, sizes) + turned])


def _remainders(cells: DecisionCells, sign: Ints) -> DecisionCells:
    """What stays with the former winner: the loops without their positive corners."""
    stays = sign[cells.corners] <= 0
    sizes = np.add.reduceat(stays, cells.offsets[:-1], dtype=np.int64) if len(cells.region) else np.diff(cells.offsets)
    return replace(cells, corners=cells.corners[stays], offsets=_offsets(sizes))


def _gains(cells: DecisionCells, sign: Ints, k: int) -> DecisionCells:
    """What class k wins: each run of positive corners, between the zero before it and the zero after it.

    A convex cell has one run; where rounding makes several, each is cut off by a chord of its own.
    """
    s = sign[cells.corners]
    positive = s > 0
    opens = (s == 0) & np.concatenate([positive[1:], [False]])  # loops begin below zero: neighbours are of one loop
    closes = (s == 0) & np.concatenate([[False], positive[:-1]])
    times = positive + opens.astype(np.int64) + closes
    corners = np.repeat(cells.corners, times)
    # A zero between two runs stands twice, closing one and opening the next: its last copy opens.
    first = np.cumsum(times)[opens] - 1
    owner = cells.owners[opens]
    offsets = np.concatenate([first, [len(corners)]])
    return DecisionCells(cells.vertices, corners, offsets, cells.region[owner], np.full(len(owner), k))
