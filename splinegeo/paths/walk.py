"""Through the network along a polyline: cut at every nonlinearity, execute every operator, at all nodes at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..errors import MemoryBudgetError, NonFiniteError
from ..network import Environment, Network, Section, Step
from ..tolerance import Tolerance
from .chain import Chain, Decisions, Events, cut


@dataclass
class Walk:
    """The walk through a section of a network.

    Attributes
    ----------
    section : the network on the lines of the polyline's segments, from its first nonlinearity on
    tolerance : Tolerance
    max_memory : bytes that live tensors and events may take, or None
    decisions : what was decided within rounding so far
    """

    section: Section
    tolerance: Tolerance
    max_memory: float | None
    decisions: Decisions = field(default_factory=Decisions)

    @property
    def network(self) -> Network:
        """From the first nonlinearity on."""
        return self.section.network

    def begin(self, n_segments: int) -> Chain:
        """Before the first nonlinearity: the two ends of each segment."""
        segment = torch.arange(n_segments, device=self.network.device).repeat_interleave(2)
        share = torch.tensor([0.0, 1.0], dtype=torch.float64, device=segment.device).repeat(n_segments)
        none = torch.full_like(segment, -1)
        return Chain(segment, share, none, none.clone(), self.section.at(on_line(share), segment))

    def finish(self, chain: Chain, magnitudes: Environment, first: int = 0) -> Chain:
        """Cut until the network is affine on every piece.

        Pieces do not know of each other: where live tensors outgrow the budget, the two halves of the way are
        finished one after the other.
        """
        network, magnitudes = self.network, dict(magnitudes)
        last = max((i for i, step in enumerate(network.steps) if step.layer is not None), default=-1)
        for index in range(first, last + 1):
            step = network.steps[index]
            if self._is_too_large(chain, step, magnitudes):
                return self._in_halves(chain, magnitudes, index)
            if step.layer is not None:
                chain = self._cut(chain, step, magnitudes)
            network.execute(step, chain.values, len(chain))
            if step.layer is None:
                network.magnitude(step, magnitudes)
            else:
                magnitudes[step.name] = chain.values[step.name].abs().amax(dim=0, keepdim=True)
            network.release(step, chain.values)
            network.release(step, magnitudes)
        return replace(chain, values={})

    def _in_halves(self, chain: Chain, magnitudes: Environment, step: int) -> Chain:
        nodes = torch.arange(len(chain), device=chain.share.device)
        middle = int(chain.starts[len(chain.starts) // 2])  # the second half starts at this node
        shared = int(middle > 0 and chain.segment[middle - 1] == chain.segment[middle])
        left, right = chain.rows(nodes[: middle + shared]), chain.rows(nodes[middle:])
        chain.values.clear()
        left, right = self.finish(left, magnitudes, step), self.finish(right, magnitudes, step)
        left = left.rows(torch.arange(len(left) - shared, device=nodes.device))
        return Chain(
            segment=torch.cat([left.segment, right.segment]),
            share=torch.cat([left.share, right.share]),
            layer=torch.cat([left.layer, right.layer]),
            unit=torch.cat([left.unit, right.unit]),
            values={},
        )

    def _is_too_large(self, chain: Chain, step: Step, magnitudes: Environment) -> bool:
        """Whether the live tensors, and the next step's result or events, outgrow the budget."""
        in_rows = (isinstance(x, Tensor) and len(x) == len(chain) for x in chain.values.values())
        if self.max_memory is None or not all(in_rows):  # between two nonlinearities rows may lie otherwise
            return False
        row = sum(value[:1].numel() for value in chain.values.values())
        if step.layer is not None:
            row += max(self.network.n_event_numbers(step, magnitudes), self.network.n_units(step))
        needed = 2 * row * self.network.dtype.itemsize * len(chain)  # a longer chain is made beside the shorter one
        if needed > self.max_memory and len(chain.starts) == 1:
            raise MemoryBudgetError(
                f"the live tensors of one piece take {needed:,} bytes at '{step.name}' in '{step.module}', and "
                f"max_memory is {self.max_memory:,.0f}: allow more, stop earlier with until=, or compute in float32"
            )
        return needed > self.max_memory

    def _cut(self, chain: Chain, step: Step, magnitudes: Environment) -> Chain:
        """Cut until one nonlinearity is affine on every piece; for a maximum by the rounds of a tournament."""
        network, n_rounds = self.network, self.network.n_rounds(step, magnitudes)
        made = torch.zeros(len(chain), dtype=torch.bool, device=chain.share.device)
        for round in range(n_rounds):
            z = network.events(step, chain.values, len(chain), round)
            units = network.event_units(step, z.shape[1], z.device)
            events = Events(z, self._tolerance(step, magnitudes, round), units, step.layer or 0)
            same = [n for n in step.inputs() if n in chain.values and chain.values[n].data_ptr() == z.data_ptr()]
            chain, is_new, zero, decided = cut(chain, events, self.tolerance.length)
            self.decisions += decided
            for name in same:  # the events are this very tensor
                chain.values[name].view(len(chain), -1)[zero[:, 0], zero[:, 1]] = 0
            before, made = made, is_new.clone()
            made[~is_new] = before
        return self._without_lost_ties(chain, step, magnitudes, made) if n_rounds > 1 else chain

    def _tolerance(self, step: Step, magnitudes: Environment, round: int) -> Tensor:
        magnitude = self.network.event_magnitudes(step, magnitudes, round)[0]
        if not torch.isfinite(magnitude).all():
            name = self.network.layer_names[step.layer or 0]
            raise NonFiniteError(f"values overflow before nonlinearity '{name}': scale the weights or the path down")
        return self.tolerance.value * magnitude

    def _without_lost_ties(self, chain: Chain, step: Step, magnitudes: Environment, made: Tensor) -> Chain:
        """Of the nodes that a maximum made, those at which the winner of a unit changes."""
        start = chain.starts
        middle = {
            name: torch.lerp(chain.values[name][start], chain.values[name][start + 1], 0.5)
            for name in step.inputs()
            if name in chain.values
        }
        winner = self.network.winners(step, middle, magnitudes, self.tolerance.value)
        piece = torch.zeros(len(chain), dtype=torch.int64, device=start.device)
        piece[start] = torch.arange(len(start), device=start.device)
        node = torch.nonzero(made)[:, 0]
        changes = winner[piece[node - 1]] != winner[piece[node]]  # both sides lie on one segment
        kept = torch.ones_like(made)
        kept[node] = changes.any(dim=1)
        wrong = node[kept[node] & ~changes.gather(1, chain.unit[node, None])[:, 0]]
        chain.unit[wrong] = (winner[piece[wrong - 1]] != winner[piece[wrong]]).int().argmax(dim=1)
        return chain.rows(torch.nonzero(kept)[:, 0])


def on_line(share: Tensor) -> Tensor:
    """Coordinates (n, 2) of a section whose planes are lines: the share of a segment, and zero."""
    return torch.stack([share, torch.zeros_like(share)], dim=1)
