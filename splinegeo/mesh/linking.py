"""Half-edges are linked by order, not by angle, and the regions are the cycles of the links."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .chords import Border, Chords
from .meetings import Meetings
from .order import argsort_within, is_first, ragged_arange, starts_of

# Half-edges are fewer than 2³¹, and so are their distances along a cycle.
_DISTANCE_BITS = 32


@dataclass(frozen=True)
class ChordEdges:
    """The chords, cut at their inner vertices; edge f has half-edges 2 f (towards the chord's second end) and 2 f + 1.

    Attributes
    ----------
    chord : (F,) the chord each edge lies on
    nodes : (F, 2) its ends: border positions below S', inner vertex x as ``S' + x``
    """

    chord: Tensor
    nodes: Tensor


def cut_chords(chords: Chords, meetings: Meetings, n_positions: int) -> ChordEdges:
    """Edges from each chord's first end through its inner vertices to its second end."""
    n_inner = torch.bincount(meetings.chord, minlength=len(chords.first))
    chord, rank = ragged_arange(n_inner + 1)
    # The inner vertices before chord i number first_edge[i] - i: each chord has one edge more than vertices.
    inner = torch.cat([meetings.node, meetings.node.new_zeros(1)]) + n_positions
    after = torch.arange(len(chord), device=chord.device) - chord
    first, second = chords.first.index_select(0, chord), chords.second.index_select(0, chord)
    source = torch.where(rank == 0, first, inner.index_select(0, (after - 1).clamp(min=0)))
    target = torch.where(rank == n_inner.index_select(0, chord), second, inner.index_select(0, after))
    edges = ChordEdges(chord, torch.stack([source, target], dim=1))
    return _distinct(edges) if len(meetings.merged_node) else edges


def _distinct(edges: ChordEdges) -> ChordEdges:
    """One edge where several chords run along one another: they share an end and, within the tolerance, a vertex."""
    low, high = edges.nodes.amin(dim=1), edges.nodes.amax(dim=1)
    order = argsort_within(low, high, int(high.max()) + 1)
    kept = torch.sort(order[is_first(low[order], high[order])]).values
    return ChordEdges(edges.chord[kept], edges.nodes[kept])


def link(chords: Chords, edges: ChordEdges, border: Border) -> Tensor:
    """For every half-edge, the one that follows it around the region on its left.

    At each node the outgoing half-edges stand counter-clockwise in the order of the border positions that they
    aim at; at a border node the border's own half-edge comes first. Arriving along h, the region on the left
    goes on with the predecessor of h's twin. One rule for every degree, and no angle is ever computed.

    Returns
    -------
    (S' + 2F,) int
        Border half-edges are numbered by their position, chord half-edge h as ``S' + h``.
    """
    n_positions = len(border.vertex)
    node = edges.nodes.reshape(-1)
    aim = torch.stack([chords.second, chords.first], dim=1).index_select(0, edges.chord).reshape(-1)
    region = border.region.index_select(0, aim)
    base = torch.where(node < n_positions, node, border.start.index_select(0, region))
    turn = aim - base
    turn += border.size.index_select(0, region) & (turn >> 63)  # the shift is -1 where the turn is negative

    order = argsort_within(node, turn, int(border.size.max()))
    node = node.index_select(0, order)
    outgoing = order + n_positions
    # Those of one node stand together, from its head to its tail; around the node the tail precedes the head.
    heads = torch.nonzero(is_first(node))[:, 0]
    tails = (heads - 1).roll(-1).remainder(max(1, len(node)))
    node, last = node.index_select(0, heads), outgoing.index_select(0, tails)
    at_border = node < n_positions
    predecessor = outgoing.roll(1).scatter_(0, heads, torch.where(at_border, node, last))

    following = order.new_zeros(n_positions + len(order))
    following[n_positions:].scatter_(0, order ^ 1, predecessor)
    # Arriving along the border, the twin stands last: its predecessor is the last chord, or the border itself.
    leaving = torch.arange(n_positions, device=order.device).scatter_(0, node[at_border], last[at_border])
    following[:n_positions] = leaving.index_select(0, border.next())
    return following


def trace_cycles(following: Tensor) -> tuple[Tensor, Tensor]:
    """All cycles of a permutation: its elements cycle after cycle in order, and the (n_cycles + 1,) offsets.

    Pointer doubling finds each cycle's smallest element and every element's distance to it; the number of
    rounds is the logarithm of the longest cycle.
    """
    # An element's leader and its distance to it in one key, so that the least key tells both.
    key = torch.arange(len(following), device=following.device) << _DISTANCE_BITS
    jump, stride = following, 1
    while True:
        nearer = torch.minimum(key, key.index_select(0, jump).add_(stride))
        if torch.equal(nearer, key):
            break
        key, jump, stride = nearer, jump.index_select(0, jump), 2 * stride
    leader, distance = key >> _DISTANCE_BITS, key & (2**_DISTANCE_BITS - 1)
    size = torch.bincount(leader, minlength=len(following))
    start = starts_of(size)
    own_size = size.index_select(0, leader)
    rank = torch.where(distance == 0, 0, own_size - distance)
    place = start.index_select(0, leader) + rank
    cycles = torch.zeros_like(leader).scatter_(0, place, torch.arange(len(leader), device=leader.device))
    return cycles, starts_of(size[size > 0])
