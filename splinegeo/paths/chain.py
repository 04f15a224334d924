"""A polyline cut into pieces: nodes in order, with what a network computes at each.

One dimension needs no mesh. Nodes are sorted along the way; what lies between two neighbours on one segment of the
polyline is a piece, on which the network so far is affine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..network import Environment
from ..partition import CLOSE_DECISION


@dataclass(frozen=True)
class Decisions:
    """What was decided within rounding.

    Attributes
    ----------
    smallest_margin : the closest decision that was not, as a multiple of its tolerance
    n_zero : signs decided to be zero
    close : blocks of `CLOSE_DECISION`; the first coordinate of u is the segment plus the share of it
    """

    smallest_margin: float = float("inf")
    n_zero: int = 0
    close: tuple[NDArray[np.void], ...] = ()

    def __add__(self, other: Decisions) -> Decisions:
        margin = min(self.smallest_margin, other.smallest_margin)
        return Decisions(margin, self.n_zero + other.n_zero, self.close + other.close)


@dataclass(frozen=True)
class Chain:
    """Nodes along a polyline.

    Attributes
    ----------
    segment : (V,) ascending, the segment of the polyline that each node lies on; both its ends are nodes of it
    share : (V,) ascending on each segment, from 0 to 1
    layer, unit : (V,) whose zero each node is; -1 for ends of segments where no unit vanishes
    values : live tensors at the nodes, (V, ...) each
    """

    segment: Tensor
    share: Tensor
    layer: Tensor
    unit: Tensor
    values: Environment

    def __len__(self) -> int:
        return len(self.segment)

    @property
    def starts(self) -> Tensor:
        """(P,) the node at which each piece starts; the next one ends it."""
        return torch.nonzero(self.segment[1:] == self.segment[:-1])[:, 0]

    def rows(self, index: Tensor) -> Chain:
        """The chain of some of the nodes."""
        return replace(
            self,
            segment=self.segment[index],
            share=self.share[index],
            layer=self.layer[index],
            unit=self.unit[index],
            values={name: value.index_select(0, index) for name, value in self.values.items()},
        )


@dataclass(frozen=True)
class Events:
    """Functions whose signs are constant where a nonlinearity is affine.

    Attributes
    ----------
    values : (V, m) at the nodes
    tolerance : (m,) below which they are zero
    units : (m,) whose they are
    layer : int
    """

    values: Tensor
    tolerance: Tensor
    units: Tensor
    layer: int


@dataclass(frozen=True)
class Crossings:
    """Where events change their sign inside a piece, in order along the way.

    Attributes
    ----------
    node : (n,) the node at which the piece starts
    event : (n,)
    share : (n,) of the piece
    place : (n,) share of the segment
    gap : (n,) to the crossing before it in the same piece, or to the nearer end of the piece
    at_end : (n,) whether that is the end that the piece leads to
    """

    node: Tensor
    event: Tensor
    share: Tensor
    place: Tensor
    gap: Tensor
    at_end: Tensor


def cut(chain: Chain, events: Events, merge: float) -> tuple[Chain, Tensor, Tensor, Decisions]:
    """Insert a node wherever an event changes its sign.

    Crossings nearer than `merge`, in lengths of the segment, to the one before them or to an end of their piece are
    no nodes of their own.

    Returns
    -------
    The chain with the live tensors at its new nodes too; the nodes that are new (V,); the (node, event) pairs (n, 2)
    of all crossings; what was decided within rounding.
    """
    near = events.values.abs() <= events.tolerance
    found = _crossings(chain, events.values.sign().masked_fill(near, 0), events.values)
    fresh = found.gap > merge
    start = found.node[fresh]
    nodes = torch.arange(len(chain), device=start.device)
    old = nodes + torch.searchsorted(start, nodes)  # as many new nodes lie before each
    new = start + 1 + torch.arange(len(start), device=start.device)
    longer = _interleaved(_labelled(chain, events, near), old, new, start, found.share[fresh])
    longer.layer[new], longer.unit[new] = events.layer, events.units[found.event[fresh]]
    is_new = torch.ones(len(longer), dtype=torch.bool, device=start.device)
    is_new[old] = False
    zero = torch.stack([_nodes_of(found, fresh, old, new), found.event], dim=1)
    return longer, is_new, zero, _decisions(chain, events, near, found, merge)


def _crossings(chain: Chain, sign: Tensor, values: Tensor) -> Crossings:
    start = chain.starts
    piece, event = torch.nonzero(sign[start] * sign[start + 1] < 0).unbind(1)
    node = start[piece]
    before, after = values[node, event].double(), values[node + 1, event].double()
    share = before / (before - after)
    order = torch.argsort(share, stable=True)
    order = order[torch.argsort(node[order], stable=True)]
    node, event, share = node[order], event[order], share[order]
    low, high = chain.share[node], chain.share[node + 1]
    place = torch.lerp(low, high, share)
    same = torch.zeros_like(node, dtype=torch.bool)
    same[1:] = node[1:] == node[:-1]
    before_it = torch.where(same, torch.roll(place, 1), low)
    return Crossings(
        node, event, share, place, torch.minimum(place - before_it, high - place), high - place < place - before_it
    )


def _nodes_of(found: Crossings, fresh: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """(n,) the node of each crossing: its own, that of the one before it, or an end of its piece."""
    position = torch.arange(len(fresh), device=fresh.device)
    latest = torch.where(fresh, position, -1).cummax(0).values if len(fresh) else position
    own = new[(torch.cumsum(fresh, 0) - 1).clamp(min=0)] if len(new) else old[found.node]
    within = (latest >= 0) & (found.node[latest.clamp(min=0)] == found.node)
    node = torch.where(within, own, old[found.node])
    return torch.where(found.at_end & ~fresh, old[found.node + 1], node)


def _labelled(chain: Chain, events: Events, near: Tensor) -> Chain:
    """The chain in which ends of segments where a unit vanishes, and not all along, have its label."""
    nodes = torch.nonzero(chain.layer < 0)[:, 0]
    inward = torch.where(chain.share[nodes] == 0, nodes + 1, nodes - 1)
    vanishes = near[nodes] & ~near[inward]
    some = vanishes.any(dim=1)
    layer, unit = chain.layer.clone(), chain.unit.clone()
    layer[nodes[some]] = events.layer
    unit[nodes[some]] = events.units[vanishes[some].int().argmax(dim=1)]
    return replace(chain, layer=layer, unit=unit)


def _interleaved(chain: Chain, old: Tensor, new: Tensor, start: Tensor, share: Tensor) -> Chain:
    """Old nodes at the places `old`, and at the places `new` what lies between `start` and its successor."""

    def widen(value: Tensor) -> Tensor:
        longer = value.new_zeros((len(old) + len(new), *value.shape[1:]))
        longer[old] = value
        if value.is_floating_point():
            weight = share.to(value.dtype).reshape(-1, *[1] * (value.ndim - 1))
            longer[new] = torch.lerp(value[start], value[start + 1], weight)
        else:
            longer[new] = value[start]
        return longer

    return Chain(
        segment=widen(chain.segment),
        share=widen(chain.share),
        layer=widen(chain.layer),
        unit=widen(chain.unit),
        values={name: widen(value) for name, value in chain.values.items()},
    )


def _decisions(chain: Chain, events: Events, near: Tensor, found: Crossings, merge: float) -> Decisions:
    margin = (events.values.abs() / events.tolerance)[~near]
    gaps = found.gap[found.gap > merge] / merge
    smallest = min((x.min().item() for x in (margin, gaps) if len(x)), default=float("inf"))
    node, snapped = torch.nonzero(near & (events.values != 0)).unbind(1)
    merged = found.gap <= merge
    close = (
        _block(events.layer, events.units[snapped], chain.segment[node] + chain.share[node], False),
        _block(
            events.layer, events.units[found.event[merged]], (chain.segment[found.node] + found.place)[merged], True
        ),
    )
    return Decisions(smallest, int(near.sum()), tuple(block for block in close if len(block)))


def _block(layer: int, unit: Tensor, place: Tensor, merged: bool) -> NDArray[np.void]:
    block = np.zeros(len(unit), CLOSE_DECISION)
    block["layer"], block["merged"] = layer, merged
    block["unit"], block["u"][:, 0] = unit.cpu().numpy(), place.cpu().numpy()
    return block
