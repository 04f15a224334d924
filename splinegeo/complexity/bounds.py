"""Certified bounds of how many units have their zero set meet a neighbourhood, in any dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm import tqdm

from splinegeo.errors import NonFiniteError
from splinegeo.network import Captured, module_of

from ..ambient import own_settings
from ..budgets import batches, points_at_once
from ..records import Record
from .activations import Nonlinearity
from .enclosure import Enclosure, Symbols
from .frames import FrameStream, seed_of
from .neighbourhoods import Neighbourhoods
from .recorder import SeenEnough, run
from .sign_changes import SignChanges
from .survey import Survey, check_points, check_radius, survey
from .twin import twin

# Error symbols that one point may have; what exceeds them goes into boxes, soundly but less tightly.
_MAX_SYMBOLS = 1024
# Bytes that the generators of one batch may take.
_BATCH_BYTES = 2**29
# Tensors of that size that are there together.
_TOGETHER = 4


@dataclass(frozen=True, eq=False, repr=False)
class ComplexityBounds(Record):
    """Bounds of the number of units whose break meets the neighbourhood, for N points and L layers.

    Attributes
    ----------
    lower, upper : ndarray of int, shape (N, L)
        Units proven to change their regime on the neighbourhood, and units not proven to keep it.
    layer_names : tuple of str
    radius, dim : float, int
        Radius r (input space) and number P of directions of the cross-polytopes.
    """

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    layer_names: tuple[str, ...]
    radius: float
    dim: int

    def __post_init__(self) -> None:
        self.lower.setflags(write=False)
        self.upper.setflags(write=False)


@own_settings()
def local_complexity_bounds(
    model: nn.Module | Captured,
    points: Tensor | ArrayLike,
    *,
    radius: float = 0.005,
    dim: int = 25,
    layers: Sequence[str] | None = None,
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
    max_memory: float | None = None,
    progress: bool = False,
) -> ComplexityBounds:
    """Bound, from both sides, the number of units whose zero set meets {x + r V c : ‖c‖₁ ≤ 1}.

    *Lower*: the local complexity; opposite signs at two vertices prove a zero between them. *Upper*: the
    units whose pre-activation is not proven to keep its sign on the whole neighbourhood, the convex hull of
    the vertices, by interval bounds intersected with linear ones. The linear bounds enclose every unit
    between two affine functions: affine layers are exact, a unit whose sign is open over [l, u] is enclosed
    by its chord and the parallel through its bend, with one error symbol e ∈ [−1, 1] of its own. A unit then
    reads c + Σ t_p g_p + Σ e_j g_j + box, and its extremes are exact for the ℓ₁ ball: c ± (max_p |g_p| + Σ
    |g_j| + box). These are the bounds of CROWN with parallel lines (Fast-Lin), written forwards as a zonotope
    (DeepZ), so one pass bounds every layer. Every operator adds its worst rounding error to the box: the
    bounds hold for the real numbers that the float weights stand for.

    Parameters
    ----------
    model : torch.nn.Module
        Of linear and convolutional layers, batch norm in evaluation mode, average pooling, sums of branches
        (residual connections), and continuous piecewise linear activations (ReLU, LeakyReLU, PReLU, abs,
        HardTanh, ReLU6, clamp).
    points, radius, dim, layers, rng
        As in `local_complexity`, which draws the same frames.
    batch_size : int, optional
        Points bounded at once; default: by memory.
    max_memory : number, optional
        Bytes that the generators of one batch may take, with what a layer makes of them.
    progress : bool
        Show a bar, point by point.

    Raises
    ------
    NotPiecewiseAffineError
        For any other operator, with its name and the path of its module.
    InvalidInputError, NonFiniteError
        As `local_complexity`.

    References
    ----------
    H. Zhang et al., Efficient neural network robustness certification (CROWN), NeurIPS 2018.
    G. Singh et al., Fast and effective robustness certification (DeepZ), NeurIPS 2018.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    >>> bounds = local_complexity_bounds(model, torch.randn(5, 8), radius=0.1, dim=4)
    >>> bool((bounds.lower <= bounds.upper).all()), bool((bounds.lower[:, 0] == bounds.upper[:, 0]).all())
    (True, True)
    """
    radius = check_radius(radius)
    model = module_of(model)
    x, dtype = check_points(model, points)
    frames = FrameStream(x[0].numel(), dim, seed_of(rng), n_points=len(x), dtype=torch.float64, device=x.device)
    with frames:
        model = twin(model)
        found = survey(model, x, dtype)
        columns = found.select(layers)
        around = Neighbourhoods(model, x, radius, frames, found)
        size = points_at_once(_bytes_per_point(x, int(dim), found), _BATCH_BYTES, batch_size, max_memory)
        parts = []
        with tqdm(total=len(x), disable=not progress, unit="point") as bar:
            for indices in batches(len(x), size):
                parts.append(_bound(around, indices, columns))
                bar.update(len(indices))
    lower, upper = (np.concatenate(side) for side in zip(*parts, strict=True))
    return ComplexityBounds(lower, upper, found.names(columns), radius, int(dim))


class _OpenSigns:
    """Observer that counts the units whose enclosure reaches across a knot."""

    def __init__(self, columns: dict[int, int]) -> None:
        self._columns = columns
        self.counts: list[Tensor] = []

    def before(self, event: int, name: str, found: Nonlinearity) -> None:
        """Count one layer."""
        if event not in self._columns or not isinstance(found.pre, Enclosure):
            return
        low, high = (bound.flatten(1) for bound in found.pre.bounds())
        if not bool(torch.isfinite(low).all() & torch.isfinite(high).all()):
            raise NonFiniteError(f"the bounds of layer '{name}' overflow")
        crossed = torch.stack([(low < knot) & (high > knot) for knot in found.knots])
        self.counts.append(crossed.any(0).sum(1))
        if len(self.counts) == len(self._columns):
            raise SeenEnough

    def after(self, event: int, post: Tensor, inputs: list[Tensor]) -> None:
        """Nothing to see."""


def _bound(
    around: Neighbourhoods, indices: range, columns: dict[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lower and upper counts (n, L) of some points."""
    shape = (len(indices), around.n_vertices)
    seen = around.observe(
        indices, lambda: SignChanges(around.survey, columns, shape, around.points.device), torch.float64
    )
    seen.check()
    enclosed = _OpenSigns(columns)
    run(around.model, _enclosure(around, indices), enclosed, around.survey.path, torch.float64)
    return seen.counts.cpu().numpy(), torch.stack(enclosed.counts, 1).cpu().numpy()


def _enclosure(around: Neighbourhoods, indices: range) -> Enclosure:
    """The neighbourhoods themselves, as the first enclosure."""
    polytopes = around.polytopes(indices)
    centre = polytopes.centre
    generators = polytopes.spread().unflatten(2, centre.shape[1:])
    reach = generators.abs().amax(1)
    symbols = Symbols(around.survey.path, generators.shape[1], _MAX_SYMBOLS)
    return Enclosure(centre, generators, torch.zeros_like(centre), centre - reach, centre + reach, symbols)


def _bytes_per_point(points: Tensor, dim: int, survey: Survey) -> int:
    units = [layer.n_units for layer in survey.events if layer is not None]
    symbols = dim + min(_MAX_SYMBOLS, sum(units))
    return _TOGETHER * 8 * max(dim * points[0].numel(), symbols * max(units))
