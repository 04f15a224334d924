"""The layers of a model, found by two small runs, and what must hold before counting starts."""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError, NonFiniteError, SplineGeoError

from ..given import real_tensor
from .activations import Nonlinearity
from .recorder import ModulePath, run

# Two evaluations of one vertex in different batches differ by rounding; mixing shows far above it.
_MIXING = 1e-3


@dataclass(frozen=True)
class Layer:
    """One nonlinearity, or one comparison of those that spell it together.

    Attributes
    ----------
    name : str
        Unique, but common to the comparisons of one tensor.
    label : str
        What a run calls it.
    axis : int
        Which runs over the batch.
    n_units : int
    is_test : bool
        A comparison: the activation is what is made with its mask.
    refused : bool
        It breaks where nothing can be counted.
    """

    name: str
    label: str
    axis: int
    n_units: int
    is_test: bool = False
    refused: bool = False

    def by_point(self, values: Tensor, n_points: int, n_vertices: int) -> Tensor:
        """Values of this layer for a batch of vertices, as (points, vertices of each, units).

        Rows that were folded into the batch, such as tokens, become units of the vertex that they came from.
        """
        return values.movedim(self.axis, 0).reshape(n_points, n_vertices, -1)


@dataclass(frozen=True)
class Survey:
    """Every nonlinearity that a run executes, in order; None for one that does not depend on the input."""

    path: ModulePath
    events: tuple[Layer | None, ...]

    def select(self, names: Sequence[str] | None) -> dict[int, int]:
        """Which event belongs to which column of the result, for all layers or for those named."""
        found: dict[str, list[int]] = {}
        for event, layer in enumerate(self.events):
            if layer is not None:
                found.setdefault(layer.name, []).append(event)
        if not found:
            raise InvalidInputError("the model applies no nonlinearity to its input, so there is nothing to count")
        names = list(found) if names is None else ([names] if isinstance(names, str) else list(names))
        unknown = [name for name in names if name not in found]
        if unknown or not names:
            raise InvalidInputError(f"unknown layers {unknown}; this model has {list(found)}")
        if len(set(names)) < len(names):
            raise InvalidInputError(f"layers names one layer twice: {names}")
        refused = next((name for name in names if self.layer(found[name][0]).refused), None)
        if refused is not None:
            raise InvalidInputError(
                f"'{refused}' breaks at no fixed list of values, so its units cannot be counted; "
                f"name the layers to count with layers=, out of {[n for n in found if n != refused]}"
            )
        ordered = sorted(names, key=lambda name: found[name][0])
        return dict(sorted((event, k) for k, name in enumerate(ordered) for event in found[name]))

    def names(self, columns: dict[int, int]) -> tuple[str, ...]:
        """Name of every column."""
        return tuple(dict.fromkeys(self.layer(event).name for event in columns))

    def check_label(self, event: int, label: str) -> None:
        """Refuse a model whose layers depend on the values of its input."""
        if event >= len(self.events) or self.layer(event).label != label:
            raise InvalidInputError(f"the model executes other layers for other inputs: '{label}' was not expected")

    def layer(self, event: int) -> Layer:
        """The layer of an event that was selected."""
        layer = self.events[event]
        assert layer is not None
        return layer


class _Sketch:
    """Names, shapes and the first batch entries of everything that a run shows."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.values: list[Tensor] = []
        self.found: list[Nonlinearity] = []
        self.leaders: list[int] = []  # the first event that compares the same numbers
        self._compared: list[tuple[int, tuple[Tensor, ...], tuple[int, ...]]] = []

    def before(self, event: int, name: str, found: Nonlinearity) -> None:
        """Note one event."""
        self.names.append(name)
        self.values.append(found.pre.detach().clone())
        self.found.append(found)
        self.leaders.append(self._leader(event, found.source))

    def after(self, event: int, post: Tensor, inputs: list[Tensor]) -> None:
        """Nothing to see."""

    def _leader(self, event: int, source: tuple[Tensor, ...]) -> int:
        """The first event that compares these very numbers, unchanged since; a nonlinearity follows nobody."""
        versions = tuple(tensor._version for tensor in source)
        for first, others, then in self._compared:
            if len(others) == len(source) and all(map(operator.is_, source, others)) and versions == then:
                return first
        if source:
            self._compared.append((event, source, versions))
        return event


def survey(model: nn.Module, points: Tensor, dtype: torch.dtype | None = None) -> Survey:
    """Find the layers of `model` by running it on two small batches that share one point."""
    refuse_training(model)
    path = ModulePath(model)
    first = points[:1]
    pattern = torch.linspace(-1, 1, first.numel(), dtype=first.dtype, device=first.device).view_as(first)
    sketches = []
    for batch in (
        torch.cat([first, first + pattern]),
        torch.cat([first, first - pattern, first + 2 * pattern]),
    ):
        sketches.append(_sketch(model, batch, path, dtype))
    two, three = sketches
    if two.names != three.names:
        raise InvalidInputError("the model executes other layers for other inputs; there is no fixed list to count")
    used: dict[str, int] = {}
    events: list[Layer | None] = []
    for event, (label, a, b) in enumerate(zip(two.names, two.values, three.values, strict=True)):
        axis, found, leader = _batch_axis(label, a, b), two.found[event], two.leaders[event]
        if axis is None:
            events.append(None)
            continue
        leading = events[leader] if leader < event else None
        if leading is None:
            used[label] = used.get(label, 0) + 1
        name = (label if used[label] == 1 else f"{label}:{used[label]}") if leading is None else leading.name
        events.append(Layer(name, label, axis, a.numel() // 2, bool(found.source), found.refused))
    return Survey(path, tuple(events))


def _sketch(model: nn.Module, batch: Tensor, path: ModulePath, dtype: torch.dtype | None) -> _Sketch:
    """Run the model for the first time; what goes wrong here is about the arguments."""
    sketch = _Sketch()
    try:
        run(model, batch, sketch, path, dtype)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, SplineGeoError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInputError(
            f"the model does not run on inputs of shape {tuple(batch.shape[1:])}: {reason}"
        ) from error
    return sketch


def _batch_axis(name: str, two: Tensor, three: Tensor) -> int | None:
    """The axis that grew with the batch, provided that the shared point did not change with its company."""
    grown = [k for k, (a, b) in enumerate(zip(two.shape, three.shape, strict=True)) if a != b]
    if not grown:
        return None
    axis = grown[0]
    outermost = axis == 0 and 3 * two.shape[0] == 2 * three.shape[0]
    if len(grown) > 1 or not (outermost or (two.shape[axis], three.shape[axis]) == (2, 3)):
        raise InvalidInputError(f"layer '{name}' mixes the points of a batch: {list(two.shape)} for two points")
    alone = two.movedim(axis, 0).reshape(2, -1)[0]
    accompanied = three.movedim(axis, 0).reshape(3, -1)[0]
    if (alone - accompanied).abs().max() > _MIXING * alone.abs().max() + torch.finfo(alone.dtype).tiny:
        raise InvalidInputError(
            f"layer '{name}' mixes the points of a batch: the value of a point depends on the others"
        )
    return axis


def refuse_training(model: nn.Module) -> None:
    """Raise for layers that use batch statistics or random numbers in the mode that they are in."""
    for path, module in model.named_modules():
        statistics = (
            isinstance(module, nn.modules.batchnorm._BatchNorm) and (module.training or module.running_mean is None)
        ) or (
            isinstance(module, nn.modules.batchnorm._NormBase) and module.training and module.running_mean is not None
        )
        random = isinstance(module, nn.modules.dropout._DropoutNd) and module.training and module.p > 0
        if statistics or random:
            raise InvalidInputError(
                f"'{path}' ({type(module).__name__}) is in training mode, where points are mixed "
                "with each other or with random numbers; call model.eval() first"
            )


def check_points(model: nn.Module, points: Tensor | ArrayLike) -> tuple[Tensor, torch.dtype | None]:
    """The points (N, …) on the device of the model, and the format to promote to if it has half formats."""
    tensor = real_tensor(points, "points")
    if not tensor.is_floating_point():
        raise InvalidInputError(
            f"points must be floating-point numbers, not {tensor.dtype}; for tokens pass their embeddings "
            "and the part of the model behind its embedding"
        )
    if tensor.dim() < 2 or not tensor.numel():
        raise InvalidInputError(f"points must have the shape (N, *input shape), not {tuple(tensor.shape)}")
    state = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
    if any(isinstance(t, (nn.UninitializedParameter, nn.UninitializedBuffer)) for t in state):
        raise InvalidInputError("the model has lazy layers without weights; run it once on an input first")
    if not all(bool(torch.isfinite(t).all()) for t in state):
        raise NonFiniteError("the weights contain NaN or infinity")
    if not bool(torch.isfinite(tensor).all()):
        raise NonFiniteError("the points contain NaN or infinity")
    dtypes = [t.dtype for t in state] or [tensor.dtype]
    half = any(torch.finfo(dtype).bits < 32 for dtype in dtypes)
    device = state[0].device if state else tensor.device
    return tensor.to(device, torch.float32 if half else dtypes[0]), torch.float32 if half else None


def check_radius(radius: float) -> float:
    """Refuse a neighbourhood that is none."""
    if not (isinstance(radius, (int, float, np.floating, np.integer)) and 0 < radius <= sys.float_info.max):
        raise InvalidInputError(f"radius must be a positive number, not {radius!r}")
    return float(radius)
