"""Networks that keep the batch elsewhere than in the first dimension, rewritten so that every result has it there.

Time-major code moves the batch to the second dimension, time-distributed layers fold it into another one, ensembles
are stacked in front of it. Where it is, is seen by sending NaN through the network at one point of a batch: NaN comes
out wherever a value depends on that point, whatever the weights are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..errors import CaptureError
from .arguments import map_leaves
from .maxima import MAXIMA
from .program import Environment, Program, Ref, Size, Step

aten = torch.ops.aten
_N = 3  # rows of the batch that is looked at
Shape = tuple[Any, ...]  # of integers, and of sizes that depend on the number of rows


@dataclass(frozen=True)
class Place:
    """Where the batch is: dimension `axis` runs over `outer` blocks of n rows of `inner` entries each."""

    axis: int
    outer: int = 1
    inner: int = 1

    @property
    def is_first(self) -> bool:
        """Whether there is one row for each point, in the first dimension."""
        return self == Place(0)

    def parts(self, rows: Any) -> list[Any]:
        """What the dimension is split into."""
        outer, inner = ([size] if size != 1 else [] for size in (self.outer, self.inner))
        return [*outer, rows, *inner]

    def order(self, n_dims: int) -> list[int]:
        """The permutation of the split dimensions that brings the rows to the front."""
        rows = self.axis + (self.outer != 1)
        total = n_dims + (self.outer != 1) + (self.inner != 1)
        return [rows, *(d for d in range(total) if d != rows)]

    def moved(self, dim: int, n_dims: int) -> int:
        """Where another dimension goes when the rows are brought to the front."""
        dim %= n_dims
        split = dim + (dim > self.axis) * ((self.outer != 1) + (self.inner != 1))
        return self.order(n_dims).index(split)


def batch_first(program: Program, shapes: Mapping[str, Shape], rows: Size) -> Program:
    """The same program with every result in rows: the number of rows comes first, and nowhere else.

    Parameters
    ----------
    program : bound to weights
    shapes : of the results, with sizes that depend on the number of rows
    rows : the number of rows

    Raises
    ------
    CaptureError
        If a result depends on several points of a batch; names the operator.
    """
    places = _places(program, shapes)
    if all(place.is_first for place in places.values()):
        return program
    writer = _Writer(program, shapes, rows, places)
    for step in program.steps:
        writer.add(step)
    unit_shapes = [writer.unit_shapes[layer] for layer in range(len(program.layer_names))]
    return replace(program, steps=tuple(writer.steps), unit_shapes=tuple(unit_shapes))


def _places(program: Program, shapes: Mapping[str, Shape]) -> dict[str, Place]:
    """Where each tensor that depends on the input has the batch."""
    batches = [_depending(program, shapes[program.input], i) for i in range(_N)]
    found = {program.input: Place(0)}
    for step in program.steps:
        results = [env[step.name] for env in batches]
        if all(isinstance(result, Tensor) for result in results):
            found[step.name] = _place(step, shapes[step.name], [result.isnan() for result in results])
    return found


def _depending(program: Program, shape: Shape, row: int) -> Environment:
    x = torch.zeros((_N, *shape[1:]), dtype=program.dtype)
    x[row] = torch.nan
    env: Environment = {program.input: x}
    with torch.no_grad():
        for step in program.steps:
            program.execute(step, env, _N)
    return env


def _place(step: Step, shape: Shape, depends: list[Tensor]) -> Place:
    grown = [axis for axis, size in enumerate(shape) if isinstance(size, Size)]
    for place in (place for axis in grown for place in _candidates(axis, depends[0].shape[axis])):
        if len(grown) == 1 and all(_is_in_row(row, place, i) for i, row in enumerate(depends)):
            return place
    where = f" in module '{step.module}'" if step.module else ""
    raise CaptureError(
        f"the result of operator '{step.operator}'{where} has no one row for each point: it mixes the points of a batch"
    )


def _candidates(axis: int, size: int) -> Iterator[Place]:
    entries = size // _N if size % _N == 0 else 0
    for outer in range(1, entries + 1):
        if entries % outer == 0:
            yield Place(axis, outer, entries // outer)


def _is_in_row(depends: Tensor, place: Place, row: int) -> bool:
    """Whether all that depends on one point of the batch is in that point's row."""
    split = depends.unflatten(place.axis, (place.outer, _N, place.inner)).movedim(place.axis + 1, 0)
    return not any(split[other].any() for other in range(_N) if other != row)


@dataclass
class _Writer:
    """Writes the steps anew: what they get is laid out as their code wants it, what they give has the rows first."""

    program: Program
    shapes: Mapping[str, Shape]
    rows: Size
    places: Mapping[str, Place]
    steps: list[Step] = field(default_factory=list)
    unit_shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """One step of the original program."""
        place = self.places.get(step.name)
        if step.layer is not None:
            self._add_nonlinearity(step)
            return
        args, kwargs = map_leaves(self._laid_out, (step.args, step.kwargs))
        if place is None or place.is_first:
            self.steps.append(replace(step, args=args, kwargs=kwargs))
            return
        natural = f"{step.name}.natural"
        self.steps.append(replace(step, name=natural, args=args, kwargs=kwargs))
        self._to_front(natural, step.name, self.shapes[step.name], place, step.module)

    def _add_nonlinearity(self, step: Step) -> None:
        shape, place = self.shapes[step.name], self.places[step.name]
        operands = [name for name in step.inputs() if name in self.places]
        n_dims = len(self.shapes[operands[0]])
        target, args = step.target, step.args
        if step.operator in ("amax", "amin", "max.dim", "min.dim"):
            source = self.places[operands[0]]
            args = (args[0], map_leaves(lambda dim: source.moved(dim, n_dims), args[1]), *args[2:])
        elif step.operator in MAXIMA:
            target = step.target if self.places[operands[0]].is_first else _Folded(step.target, n_dims)
        elif sum(isinstance(leaf, Ref) for leaf in step.args) > 1 and not place.is_first:
            args = map_leaves(lambda leaf: self._spread(leaf, step, shape, place), args)
        self.steps.append(replace(step, target=target, args=args))
        front = [1 if isinstance(size, Size) else size for size in shape]
        front[place.axis : place.axis + 1] = place.parts(1)
        assert step.layer is not None
        self.unit_shapes[step.layer] = tuple(front[d] for d in place.order(len(shape))[1:])

    def _laid_out(self, leaf: Any) -> Any:
        """An argument as the step's own code wants it."""
        if not isinstance(leaf, Ref) or leaf.name not in self.places or self.places[leaf.name].is_first:
            return leaf
        place, shape = self.places[leaf.name], self.shapes[leaf.name]
        name = f"{leaf.name}.natural:{len(self.steps)}"
        order = place.order(len(shape))
        back = [order.index(d) for d in range(len(order))]
        self._append(f"{name}.turned", "permute", aten.permute.default, (Ref(leaf.name), back), "")
        self._append(name, "reshape", aten.reshape.default, (Ref(f"{name}.turned"), list(shape)), "")
        return Ref(name)

    def _spread(self, leaf: Any, step: Step, shape: Shape, place: Place) -> Any:
        """One of several operands, brought to the shape of the result with the rows first."""
        if not isinstance(leaf, Ref):
            return leaf
        natural = self._laid_out(leaf)
        name = f"{leaf.name}.spread:{len(self.steps)}"
        self._append(f"{name}.natural", "expand", aten.expand.default, (natural, list(shape)), step.module)
        self._to_front(f"{name}.natural", name, shape, place, step.module)
        return Ref(name)

    def _to_front(self, source: str, name: str, shape: Shape, place: Place, module: str) -> None:
        split = [*shape[: place.axis], *place.parts(self.rows), *shape[place.axis + 1 :]]
        self._append(f"{name}.split", "reshape", aten.reshape.default, (Ref(source), split), module)
        self._append(name, "permute", aten.permute.default, (Ref(f"{name}.split"), place.order(len(shape))), module)

    def _append(self, name: str, operator: str, target: Any, args: tuple[Any, ...], module: str) -> None:
        self.steps.append(Step(name, operator, target, args, {}, module, None))


@dataclass(frozen=True)
class _Folded:
    """A pool of images, or of what else has `n_dims` dimensions, on a batch of several for each point."""

    target: Any
    n_dims: int

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        n_extra = x.ndim - self.n_dims
        images = x.reshape(prod(x.shape[: n_extra + 1]), *x.shape[n_extra + 1 :])
        result = self.target(images, *args, **kwargs)
        return result.reshape(*x.shape[: n_extra + 1], *result.shape[1:])
