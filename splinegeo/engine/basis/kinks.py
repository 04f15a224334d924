"""What a nonlinearity of single values does with the rows of a basis: where it breaks, and what its pieces are.

Every such nonlinearity is a base function plus hinges: ``f = s_0 x + c_0 + sum_i (s_i - s_(i - 1)) max(x - t_i, 0)``
for one that bends its operand at t_1 < t_2 < ..., ``max(a, b) = b + max(a - b, 0)`` for one that compares two. The zero
sets of the arguments of the hinges, the *events*, are what the subdivision is refined by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from ...network import Environment, Program, Step
from ...network.operators import spline_of
from .affine import padded, rows_of


@dataclass(frozen=True)
class Bent:
    """Which hinges bend, and what the others are.

    Attributes
    ----------
    is_on : (T, n) bool, whether the argument of each of n hinges is positive all over a tile
    row, tile, event : (b,) of the hinges that bend: its row in the new basis, its tile, its event
    n_rows : of the new basis
    size : (T, n) bounds of the magnitude of the arguments
    """

    is_on: Tensor
    row: Tensor
    tile: Tensor
    event: Tensor
    n_rows: int
    size: Tensor

    def among_first(self, n: int) -> Bent:
        """What it says of the first n hinges."""
        own = self.event < n
        return replace(self, is_on=self.is_on[:, :n], row=self.row[own], tile=self.tile[own], event=self.event[own])


@dataclass(frozen=True)
class Bend:
    """A nonlinearity that bends U operands at n places each; event e belongs to unit ``e % U``.

    Attributes
    ----------
    events : (T, r, n U) basis of every hinge's argument
    operand : (T, r, U)
    slopes, intercepts : (n + 1, U) of the pieces, from left to right
    levels : (n, U) where it bends
    """

    events: Tensor
    operand: Tensor
    slopes: Tensor
    intercepts: Tensor
    levels: Tensor

    def result(self, bent: Bent) -> Tensor:
        """(T, n_rows, U) basis of the result."""
        t, r, n_units = self.operand.shape
        piece = bent.is_on.view(t, len(self.slopes) - 1, n_units).sum(
            1
        )  # hinges below those that bend are on, those above are off
        result = self.operand.new_zeros(t, bent.n_rows, n_units)
        torch.mul(self.operand, self.slopes.gather(0, piece)[:, None], out=result[:, :r])
        result[:, 0] += self.intercepts.gather(0, piece)
        number, unit = bent.event // n_units, bent.event % n_units
        result[bent.tile, bent.row, unit] = self.slopes[number + 1, unit] - self.slopes[number, unit]
        return result

    def size(self, bent: Bent) -> Tensor:
        """(T, U) bounds of the result's magnitude."""
        operand = (bent.size.view(len(bent.size), *self.levels.shape) + self.levels.abs()).amin(1)
        return (operand[:, None] * self.slopes.abs() + self.intercepts.abs()).amax(1)


@dataclass(frozen=True)
class Comparison:
    """The greater (sign 1) or the lesser (-1) of two operands; the hinge is their difference.

    Attributes
    ----------
    one, other : (T, r, U)
    """

    one: Tensor
    other: Tensor
    sign: int

    @property
    def events(self) -> Tensor:
        """(T, r, U) basis of every hinge's argument."""
        return self.one - self.other

    def result(self, bent: Bent) -> Tensor:
        """(T, n_rows, U): ``max(a, b) = b + max(a - b, 0)``, ``min(a, b) = a - max(a - b, 0)``."""
        where_on, elsewhere = (self.one, self.other) if self.sign > 0 else (self.other, self.one)
        result = padded(torch.where(bent.is_on[:, None], where_on, elsewhere), bent.n_rows)
        result[bent.tile, bent.row, bent.event] = float(self.sign)
        return result


def bend_of(network: Program, step: Step, live: Environment) -> Bend:
    """A nonlinearity of one operand on a front's live tensors."""
    (name,) = {name for name in step.inputs() if name in live}
    x = live[name]
    shape = network.unit_shapes[step.layer or 0]
    args, kwargs = network.bind(step, {name: x[:, 0]}, len(x))
    spline = spline_of(step.operator, args, kwargs)
    operand = _spread(x, shape)

    def per_unit(numbers: Sequence[Any]) -> Tensor:
        tensors = [torch.as_tensor(number, dtype=x.dtype, device=x.device) for number in numbers]
        spread = [torch.broadcast_to(tensor, (1, *shape)).reshape(1, -1) for tensor in tensors]
        return torch.cat([operand.new_zeros(0, operand.shape[2]), *spread])

    levels = per_unit(spline.breaks)
    slopes, intercepts = (per_unit([piece[i] for piece in spline.pieces]) for i in (0, 1))
    if len(levels) == 1 and not bool((levels != 0).any()):
        events = operand
    else:
        events = operand.repeat(1, 1, len(levels))
        events[:, 0] -= levels.reshape(-1)
    return Bend(events, operand, slopes, intercepts, levels)


def operands_of(network: Program, step: Step, live: Environment, leaves: list[Any]) -> list[Tensor]:
    """(T, r, U) bases of arguments of a step, each a live tensor or a constant."""
    shape = network.unit_shapes[step.layer or 0]
    known = [live[leaf.name] for leaf in leaves if getattr(leaf, "name", None) in live]
    n_rows, first = max(map(rows_of, known)), known[0]
    result = []
    for leaf in leaves:
        if getattr(leaf, "name", None) in live:
            result.append(padded(_spread(live[leaf.name], shape), n_rows))
            continue
        constant = network.constants[leaf.name] if hasattr(leaf, "name") else leaf
        tensor = torch.as_tensor(constant, dtype=first.dtype, device=first.device)
        row = torch.broadcast_to(tensor, (1, *shape)).reshape(1, 1, -1)
        result.append(padded(row.expand(len(first), 1, prod(shape)), n_rows))
    return result


def _spread(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(T, r, U) from (T, r, ...), which constants may widen to the units' shape."""
    if tuple(x.shape[2:]) != tuple(shape):
        x = x.reshape(*x.shape[:2], *[1] * (len(shape) - x.ndim + 2), *x.shape[2:]).expand(*x.shape[:2], *shape)
    return x.reshape(*x.shape[:2], -1)
