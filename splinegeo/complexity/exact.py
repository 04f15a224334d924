"""The exact counterpart of local complexity: what the zero sets do inside two-dimensional diamonds."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from splinegeo.engine.compute import refine_slices
from splinegeo.mesh import Array, EventTable, Refinement, Subdivision, as_tensor, on_host
from splinegeo.network import Captured, Program, module_of, network_of
from splinegeo.slices import Slice
from splinegeo.tolerance import Tolerance

from ..ambient import own_settings
from .frames import random_frames
from .survey import check_points, check_radius

_DIAMOND = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
_BATCH = 1000
_N_VERIFIED = 4


@dataclass(frozen=True)
class ExactLocalComplexity:
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
) -> ExactLocalComplexity:
    """Count the units whose zero set meets the diamond conv(x ± r v₁, x ± r v₂) around each point x.

    All diamonds are refined together by the exact engine. The frames are those that
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

    Raises
    ------
    NotPiecewiseAffineError, CaptureError, NonFiniteError, InvalidInputError
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
    counts, regions = [], []
    for start in range(0, len(domains), _BATCH):
        some = domains[start : start + _BATCH]
        book = _SignChanges(program, len(some))
        _, _, mesh = refine_slices(program, some, Tolerance.of(torch.float64), [book])
        counts.append(book.counts)
        regions.append(np.bincount(on_host(mesh.window), minlength=len(some)))
    layers = _preactivation_layers(program)
    names = tuple(program.layer_names[layer] for layer in layers)
    return ExactLocalComplexity(np.concatenate(counts)[:, layers], np.concatenate(regions), names, radius)


def _preactivation_layers(network: Program) -> list[int]:
    """Nonlinearities that act through a pre-activation; a maximum of several values does not."""
    return [step.layer for step in network.steps if step.layer is not None and not network.is_maximum(step)]


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
