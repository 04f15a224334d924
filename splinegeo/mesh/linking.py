"""Half-edges are linked by order, not by angle, and the regions are the cycles of the links."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Array, arange, bincount, columns, concat, flags, minimum, positions, put, take, where, zeros
from .chords import Border, Chords
from .meetings import Meetings
from .order import argsort_within, is_first, owners, starts_of
from .subdivision import cut_segments

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

    chord: Array
    nodes: Array


def cut_chords(chords: Chords, meetings: Meetings, n_positions: int) -> ChordEdges:
    """Edges from each chord's first end through its inner vertices to its second end."""
    n_edges = bincount(meetings.chord, len(chords.first)) + 1
    nodes = cut_segments(n_edges, chords.first, chords.second, meetings.node + n_positions)
    edges = ChordEdges(owners(n_edges), nodes)
    return _distinct(edges) if len(meetings.merged_node) else edges


def _distinct(edges: ChordEdges) -> ChordEdges:
    """One edge where several chords run along one another: they share an end and, within the tolerance, a vertex."""
    one, other = edges.nodes[:, 0], edges.nodes[:, 1]
    low, high = minimum(one, other), -minimum(-one, -other)
    order = argsort_within(low, high, int(high.max()) + 1)
    kept = positions(put(flags(len(order), False, order), order, is_first(low[order], high[order])))
    return ChordEdges(edges.chord[kept], edges.nodes[kept])


def link(chords: Chords, edges: ChordEdges, border: Border) -> Array:
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
    aim = take(columns(chords.second, chords.first), edges.chord).reshape(-1)
    region = take(border.region, aim)
    base = where(node < n_positions, node, take(border.start, region))
    turn = aim - base
    turn += take(border.size, region) & (turn >> 63)  # the shift is -1 where the turn is negative

    order = argsort_within(node, turn, int(border.size.max()))
    node = take(node, order)
    outgoing = order + n_positions
    # Those of one node stand together, from its head to its tail; around the node the tail precedes the head.
    heads = positions(is_first(node))
    tails = concat([heads[1:], heads[:1] + len(node)]) - 1
    node, last = take(node, heads), take(outgoing, tails)
    at_border = node < n_positions
    predecessor = put(concat([outgoing[-1:], outgoing[:-1]]), heads, where(at_border, node, last))

    following = zeros(n_positions + len(order), order)
    put(following[n_positions:], order ^ 1, predecessor)
    # Arriving along the border, the twin stands last: its predecessor is the last chord, or the border itself.
    leaving = put(arange(0, n_positions, order), node[at_border], last[at_border])
    following[:n_positions] = take(leaving, border.next())
    return following


def trace_cycles(following: Array) -> tuple[Array, Array]:
    """All cycles of a permutation: its elements cycle after cycle in order, and the (n_cycles + 1,) offsets.

    Pointer doubling finds each cycle's smallest element and every element's distance to it; the number of
    rounds is the logarithm of the longest cycle.
    """
    # An element's leader and its distance to it in one key, so that the least key tells both.
    n = len(following)
    key = arange(0, n, following) << _DISTANCE_BITS
    jump, stride = following, 1
    while True:
        nearer = take(key, jump)
        nearer += stride
        nearer = minimum(nearer, key)
        if (nearer == key).all():
            break
        key, jump, stride = nearer, take(jump, jump), 2 * stride
    leader, distance = key >> _DISTANCE_BITS, key & (2**_DISTANCE_BITS - 1)
    size = bincount(leader, n)
    start = size.cumsum(0) - size
    # A leader stands first, and what is one step before it last.
    place = take(start, leader) + where(distance == 0, 0, take(size, leader) - distance)
    return put(zeros(n, leader), place, arange(0, n, leader)), starts_of(size[size > 0])
