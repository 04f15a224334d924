"""The exact counterpart of local complexity: what the zero sets do inside two-dimensional diamonds."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm import tqdm

from splinegeo.engine.compute import refine_slices
from splinegeo.mesh import Array, EventTable, Refinement, Subdivision, as_tensor, on_host
from splinegeo.network import Captured, Program, module_of, network_of
from splinegeo.slices import Slice
from splinegeo.tolerance import Tolerance

from ..ambient import own_settings
from ..budgets import check_batch_size, check_memory
from ..records import Record
from .frames import random_frames
from .survey import check_points, check_radius

_DIAMOND = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
_BATCH = 1000
# Bytes that decide how many diamonds are refined at once where no budget is given; and tensors of the widest layer that
# are there together while the engine works.
_USUAL, _TOGETHER = 2**29, 4
_N_VERIFIED = 4


@dataclass(frozen=True, eq=False, repr=False)
class ExactLocalComplexity(Record):
    """Exact local complexity of N points in L layers.

    Attributes
    ----------
    counts : ndarray of int, shape (N, L)
        Units of each layer whose zero set meets the interior of the diamond around each point.
    regions : ndarray of int, shape (N,)
        Regions of the partition inside each diamond.
    layer_names : tuple of str
        The layers, in the order of execution.
    radius : float
        In input space.
    """

    counts: NDArray[np.int64]
    regions: NDArray[np.int64]
    layer_names: tuple[str, ...]
    radius: float

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)
        self.regions.setflags(write=False)

    @property
    def total(self) -> NDArray[np.int64]:
        """Sum over the layers, shape (N,)."""
        total: NDArray[np.int64] = self.counts.sum(axis=1)
        total.setflags(write=False)
        return total


@own_settings("cpu")
def exact_local_complexity(
    model: nn.Module | Captured,
    points: Tensor | ArrayLike,
    *,
    radius: float = 0.005,
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
    max_memory: float | None = None,
    progress: bool = False,
) -> ExactLocalComplexity:
    """Count the units whose zero set meets the diamond conv(x ± r v₁, x ± r v₂) around each point x.

    Diamonds are refined together by the exact engine, as many as memory holds. The frames are those that
    ``local_complexity(..., dim=2)`` draws with the same `rng`, so the two compare point by point: the estimate looks
    at the four corners only and is a lower bound at every layer, equal in the first.

    Parameters
    ----------
    model : torch.nn.Module or Network
        Piecewise affine; see `compute_partition`.
    points : Tensor or array, shape (N, *input shape)
    radius : float
        r, in input space.
    rng : int or torch.Generator
        See `random_frames`.
    batch_size : int, optional
        Diamonds refined at once; default: what fits the budget, judging by the vertices of those before.
    max_memory : number, optional
        Bytes that the network's values on the vertices may take, with what is noted of every unit; see
        `compute_partition`. Without it, half a gigabyte decides how many diamonds are refined at once, and one diamond
        takes what it needs.
    progress : bool
        Show a bar, point by point.

    Raises
    ------
    NotPiecewiseAffineError, CaptureError, NonFiniteError, InvalidInputError, MemoryBudgetError
        As `compute_partition` and `local_complexity`.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024, figure 35.

    Examples
    --------
    >>> import splinegeo as sg
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    >>> x = torch.randn(5, 8)
    >>> exact = sg.exact_local_complexity(model, x, radius=0.5)
    >>> estimate = sg.local_complexity(model, x, radius=0.5, dim=2)
    >>> bool((estimate.counts <= exact.counts).all()), bool((estimate.counts[:, 0] == exact.counts[:, 0]).all())
    (True, True)
    """
    radius = check_radius(radius)
    x = check_points(module_of(model), points)[0].detach().cpu().double()
    shape = tuple(x.shape[1:])
    frames = random_frames(len(x), x[0].numel(), 2, rng=rng).numpy()
    origins = x.reshape(len(x), -1).numpy()
    domains = [Slice(o, f.T, radius * _DIAMOND, shape) for o, f in zip(origins, frames, strict=True)]
    (network,) = network_of(model, x[:_N_VERIFIED])
    program = network.program
    size = _GroupSize(program, batch_size, max_memory)
    counts, regions, done = [], [], 0
    with tqdm(total=len(domains), disable=not progress, unit="point") as bar:
        while done < len(domains):
            some = domains[done : done + size.now]
            book = _SignChanges(program, len(some))
            _, _, mesh = refine_slices(program, some, Tolerance.of(torch.float64), [book], max_memory=size.for_values)
            counts.append(book.counts)
            regions.append(np.bincount(on_host(mesh.window), minlength=len(some)))
            size.learn(len(mesh.vertices), len(some))
            done += len(some)
            bar.update(len(some))
    layers = _preactivation_layers(program)
    names = tuple(program.layer_names[layer] for layer in layers)
    return ExactLocalComplexity(np.concatenate(counts)[:, layers], np.concatenate(regions), names, radius)


def _preactivation_layers(network: Program) -> list[int]:
    """Nonlinearities that act through a pre-activation; a maximum of several values does not."""
    return [step.layer for step in network.steps if step.layer is not None and not network.is_maximum(step)]


class _GroupSize:
    """How many diamonds to refine at once, learnt from how many vertices those before had.

    Attributes
    ----------
    now : int
    for_values : int or None
        Bytes that the engine may use for the network's values: the budget without what `_SignChanges` notes.
    """

    def __init__(self, network: Program, batch_size: int | None, max_memory: float | None) -> None:
        self._fixed, budget = batch_size is not None, check_memory(max_memory)
        units = [prod(shape) for shape in network.unit_shapes]
        self._widest = max(units, default=1)
        # Of every diamond: two signs for each unit of each layer, and two extremes while a layer is looked at.
        noted = 2 * sum(units) + 18 * self._widest
        self._most = max(1, min(_BATCH, (budget or _USUAL) // 4 // noted))
        self.now = check_batch_size(batch_size) if batch_size is not None else 1
        self._budget = (budget or _USUAL) // 2
        self.for_values = None if budget is None else max(1, budget - noted * (batch_size or self._most))

    def learn(self, n_vertices: int, n_diamonds: int) -> None:
        """Take as many as the budget holds, and not many more than before: others may be denser."""
        if not self._fixed:
            each = 8 * _TOGETHER * self._widest * max(1, n_vertices // n_diamonds)
            self.now = max(1, min(self._budget // each, 4 * n_diamonds, self._most))


class _SignChanges:
    """Counts, window by window, the units whose events take both signs on it.

    An event is affine on every region, so it takes both signs at vertices of a window if and only if its zero set
    meets the window's interior.
    """

    def __init__(self, network: Program, n_windows: int) -> None:
        self._n_windows, self._n_units = n_windows, [prod(shape) for shape in network.unit_shapes]
        # For every layer and break point of its activation: whether each unit was negative, positive in a window.
        self._seen: dict[tuple[int, int], Tensor] = {}

    @property
    def counts(self) -> np.ndarray:
        """(n_windows, L) of the units met."""
        counts = np.zeros((self._n_windows, len(self._n_units)), dtype=np.int64)
        for layer, n_units in enumerate(self._n_units):
            met = torch.zeros((self._n_windows, n_units), dtype=torch.bool)
            for (at, _), (negative, positive) in self._seen.items():
                if at == layer:
                    met |= negative & positive
            counts[:, layer] = met.sum(dim=1).numpy()
        return counts

    def record(self, before: Subdivision, events: EventTable, refinement: Refinement, units: Array, layer: int) -> None:
        """One layer of some part of the windows."""
        window, n_units = as_tensor(before.vertex_windows()), self._n_units[layer]
        for first in range(0, events.n_events, n_units):
            z = as_tensor(events.values)[:, first : first + n_units]
            low, high = (
                z.new_zeros((self._n_windows, n_units)).scatter_reduce_(0, window[:, None].expand_as(z), z, reduce)
                for reduce in ("amin", "amax")
            )
            now = torch.stack([low < 0, high > 0])
            self._seen[layer, first] = self._seen.get((layer, first), now) | now
