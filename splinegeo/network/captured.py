"""`Network`: a module captured once, and asked often."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..ambient import own_settings
from ..errors import InvalidInputError
from .constants import named_tensors
from .entry import Entry, Inputs, OutputPath, enter
from .export import try_out
from .program import Program
from .translation import Architecture, translate
from .verify import verify
from .weights import Source, load_weights

_N_POINTS = 4


class Window(Protocol):
    """What a `Slice` says of the inputs in its window."""

    @property
    def window(self) -> NDArray[np.float64]:
        """Corners (N, 2)."""
        ...

    def embed(self, u: ArrayLike) -> Tensor:
        """Inputs (n, *input_shape) at slice coordinates (n, 2)."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """A piecewise-affine module, captured: what `capture` returns and every verb takes in a model's place.

    It is immutable, belongs to no thread, and goes to other processes with its weights, as the module inside it does.

    Attributes
    ----------
    module : nn.Module
        A float64 copy of the module, in eval mode, as a function of one input.
    architecture : Architecture
        The operators without their weights.
    program : Program
        The operators with their weights, in float64 on the CPU: what the engine runs.
    points : (n, *input_shape) Tensor
        Where it was compared with the module.

    Examples
    --------
    >>> import splinegeo as sg
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3))
    >>> network = sg.capture(model, (2,))
    >>> network
    Network((2,) -> 5 units '1')
    >>> network.layer_names, network.unit_shapes, network.input_shape
    (('1',), ((5,),), (2,))
    >>> sg.compute_partition(network, sg.Slice.box((-1, 1), (-1, 1))).layer_names
    ('1',)
    """

    module: Entry
    architecture: Architecture
    program: Program
    points: Tensor

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.points.shape[1:])

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the nonlinearities, in the order of execution."""
        return self.program.layer_names

    @property
    def unit_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the output of each nonlinearity, for one input."""
        return self.program.unit_shapes

    def __repr__(self) -> str:
        layers = [f"{prod(s)} units '{n}'" for n, s in zip(self.layer_names, self.unit_shapes, strict=True)]
        return f"Network({' -> '.join([str(self.input_shape), *layers])})"

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (n, ...) at inputs (n, *input_shape), in float64."""
        self.require_shape(tuple(x.shape[1:]))
        with torch.no_grad():
            return self.program(x.detach().to("cpu", torch.float64))

    @own_settings("cpu")
    def bind(self, state: Source) -> Network:
        """The same network with other weights, compared with the module that has them.

        Parameters
        ----------
        state : a state dict of the module that was captured, or where it is saved; see `load_weights`

        Raises
        ------
        InvalidInputError
            If the state is not one of this module.
        NonFiniteError
            If a weight is NaN or infinite.
        """
        module = copy.deepcopy(self.module)
        load_weights(module.model, state)
        was_read = self.architecture.was_read
        return _bound(module, translate(module, self.input_shape) if was_read else self.architecture, self.points)

    def require_shape(self, input_shape: tuple[int, ...]) -> None:
        """Refuse inputs of another shape than those that the network was captured for."""
        if tuple(input_shape) != self.input_shape:
            raise InvalidInputError(
                f"the network was captured for inputs of shape {self.input_shape}, not {tuple(input_shape)}"
            )


@own_settings("cpu")
def capture(
    model: nn.Module,
    like: Window | Tensor | ArrayLike | Sequence[int],
    *,
    until: str | None = None,
    output: OutputPath = None,
    inputs: Inputs = None,
) -> Network:
    """Capture a module once, to ask about it often: export, comparison and copies are then paid for.

    The result is the module as a list of affine and piecewise-affine operators. Every function of this package takes it
    where it takes a module. It was compared with the module at a few points, in batches of several sizes.

    Parameters
    ----------
    model : nn.Module
        In eval mode; it is never changed. Wrappers (`DataParallel`, ``torch.compile``, `functools.partial`) come off.
    like : Slice, Tensor, array, or tuple of int
        Where inputs come from: a slice, one input (without a batch), or only its shape.
    until : str, optional
        Name of a submodule: everything before and including it. What comes after it need not be piecewise affine.
    output : str or int, optional
        Which entry of the tuple or dictionary that the module returns: an index, a key, or a path of them with dots.
    inputs : mapping or sequence, optional
        Further inputs of the module, held fixed: by name; by position; or those after the first in order. They are
        passed as they are; one with a single row is repeated for every row of the batch if the module wants that.

    Raises
    ------
    NotPiecewiseAffineError
        If an operator is not piecewise affine; names it, its module, and the nearest `until` that works.
    CaptureError
        If `torch.export` cannot follow the module, or the captured network differs from it.
    InvalidInputError
        If the module does not accept such inputs, or does not return one tensor.
    NonFiniteError
        If a weight or an output is NaN or infinite.

    See Also
    --------
    Network.bind : the same with other weights

    Examples
    --------
    >>> import splinegeo as sg
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3))
    >>> network = sg.capture(model, sg.Slice.box((-1, 1), (-1, 1)))
    >>> [sg.compute_partition(network, sg.Slice.box((a, a + 1), (0, 1))).n_regions for a in (-1, 0)]
    [6, 3]
    >>> network.bind(model.state_dict()).layer_names
    ('1',)
    """
    if isinstance(model, Network):
        raise InvalidInputError("the network is captured already: bind other weights to it with .bind(state_dict)")
    shape, points = _inputs_like(like)
    entry, architecture = translated(model, shape, until, output, inputs)
    return _bound(entry, architecture, points)


def translated(
    model: nn.Module, input_shape: tuple[int, ...], until: str | None, output: OutputPath, inputs: Inputs
) -> tuple[Entry, Architecture]:
    """A module's float64 copy as a function of one input, and its operators without weights; not compared yet."""
    entry = enter(model, until, output, inputs)
    try_out(entry, input_shape)
    return entry, translate(entry, input_shape)


def _bound(entry: Entry, architecture: Architecture, points: Tensor) -> Network:
    """A network with the weights that its module has, compared with the module."""
    program = architecture.bind(named_tensors(entry.model))
    verify(program, entry, points)
    return Network(entry, architecture, program, points)


def network_of(
    model: nn.Module | Network,
    points: Tensor,
    *,
    until: str | None = None,
    output: OutputPath = None,
    inputs: Inputs = None,
    states: Iterable[Source] | None = None,
) -> Iterator[Network]:
    """The network of a module or, one after the other, of each of its states: how every verb takes its model."""
    given = [f"{n}=" for n, v in (("until", until), ("output", output), ("inputs", inputs)) if v is not None]
    if isinstance(model, Network):
        if given:
            raise InvalidInputError(
                f"{given[0]} is chosen where a network is captured: sg.capture(model, like, {given[0]}…)"
            )
        model.require_shape(tuple(points.shape[1:]))
        template = model
    else:
        entry, architecture = translated(model, tuple(points.shape[1:]), until, output, inputs)
        template = Network(entry, architecture, architecture.program, points)
    if states is not None:
        yield from map(template.bind, states)
    else:
        yield template if isinstance(model, Network) else _bound(template.module, template.architecture, points)


def _inputs_like(like: Any) -> tuple[tuple[int, ...], Tensor]:
    """The shape of one input, and a few inputs at which to compare."""
    rng = np.random.default_rng(0)
    if isinstance(like, tuple | list | torch.Size) and all(isinstance(n, int) for n in like):
        shape = tuple(like)
        return shape, torch.from_numpy(rng.standard_normal((_N_POINTS, *shape)))
    if hasattr(like, "embed"):
        points = points_in([like])
        return tuple(points.shape[1:]), points
    one = torch.as_tensor(like).detach().to("cpu", torch.float64)
    noise = torch.from_numpy(rng.standard_normal((_N_POINTS, *one.shape))) * (0.1 * one.abs().max() + 0.1)
    noise[0] = 0
    return tuple(one.shape), one + noise


def points_in(domains: Sequence[Window]) -> Tensor:
    """Inputs at random points of the first slices' windows."""
    rng = np.random.default_rng(0)
    points = []
    for domain in list(domains)[:_N_POINTS]:
        weights = rng.dirichlet(np.ones(len(domain.window)), size=_N_POINTS // min(len(domains), _N_POINTS))
        points.append(domain.embed(weights @ domain.window))
    return torch.cat(points)


def module_of(model: nn.Module | Network) -> nn.Module:
    """The module behind what a verb was given: itself, or the float64 copy that a network has."""
    return model.module if isinstance(model, Network) else model
