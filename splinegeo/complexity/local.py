"""Local complexity: how many units change sign on a small cross-polytope around each point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit
from torch import Tensor, nn
from tqdm import tqdm

from splinegeo.errors import InvalidInputError
from splinegeo.network import Captured, module_of

from ..ambient import own_settings
from ..records import Record
from .frames import FrameStream, seed_of
from .neighbourhoods import Neighbourhoods, points_per_batch
from .sign_changes import Decided, count_sign_changes
from .survey import check_points, check_radius, survey
from .twin import twin


@dataclass(frozen=True, eq=False, repr=False)
class LocalComplexity(Record):
    """Local complexity of N points in L layers.

    Attributes
    ----------
    counts : ndarray of int, shape (N, L)
        Units of each layer that change sign on the neighbourhood of each point.
    layer_names : tuple of str
        The layers, in the order of execution.
    radius, dim : float, int
        Radius r (input space) and number P of directions of the cross-polytopes.
    undecided : ndarray of int, shape (N, L)
        Units that came closer to a break than the rounding error of their pre-activation, so that whether they change
        sign cannot be told, even in float64. They are not counted.
    """

    counts: NDArray[np.int64]
    layer_names: tuple[str, ...]
    radius: float
    dim: int
    undecided: NDArray[np.int64] = None  # type: ignore[assignment] # none, unless said

    def __post_init__(self) -> None:
        if self.undecided is None:
            object.__setattr__(self, "undecided", np.zeros_like(self.counts))
        self.counts.setflags(write=False)
        self.undecided.setflags(write=False)

    @property
    def total(self) -> NDArray[np.int64]:
        """Sum over the layers, shape (N,)."""
        total = self.counts.sum(axis=1)
        total.setflags(write=False)
        return total

    def mean(self, layer: str | None = None) -> float:
        """Mean over the points, of the total or of one layer."""
        return float(self._values(layer).mean())

    def confidence_interval(self, level: float = 0.99, layer: str | None = None) -> tuple[float, float]:
        """Student's interval for the mean, m ± t s/√N, of the total or of one layer.

        One point tells nothing about the spread: its interval is the whole line.
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level must lie between 0 and 1, not {level!r}")
        values = self._values(layer)
        if len(values) < 2:
            return -np.inf, np.inf
        half = stdtrit(len(values) - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(len(values))
        return float(values.mean() - half), float(values.mean() + half)

    def _values(self, layer: str | None) -> NDArray[np.int64]:
        if layer is None:
            return self.total
        if layer not in self.layer_names:
            raise InvalidInputError(f"unknown layer {layer!r}; the layers are {list(self.layer_names)}")
        return self.counts[:, self.layer_names.index(layer)]


@own_settings()
def local_complexity(
    model: nn.Module | Captured,
    points: Tensor | ArrayLike,
    *,
    radius: float = 0.005,
    dim: int = 25,
    layers: Sequence[str] | None = None,
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
    shared_frame: bool = False,
    max_memory: float | None = None,
    progress: bool = False,
) -> LocalComplexity:
    """Count the units that change sign on the cross-polytope x ± r v₁, …, x ± r v_P around each point x.

    The 2P vertices are pushed through the network; a unit counts when its pre-activation takes values of both
    signs among them. By continuity its zero set then meets the neighbourhood: the count is a lower bound of
    the number of units whose zero set does, at every layer, and equal to it in the first layer, because an
    affine function takes its extremes at vertices.

    *Sign* means strictly positive against strictly negative, by more than the rounding error; a vertex where the
    pre-activation is closer to zero has no sign. For activations that break elsewhere (HardTanh, ReLU6, clamp,
    shrinkage) a unit counts, once, when its pre-activation takes values strictly on both sides of one of its break
    points; for smooth ones (GELU, SiLU, tanh, sigmoid) the break point is 0.

    Parameters
    ----------
    model : torch.nn.Module or Network
        Any model that treats the points of a batch independently. Neither the module nor its mode is changed.
    points : Tensor or array, shape (N, *input shape)
        Floating-point inputs, or what enters the module passed: for a transformer, embedded tokens together
        with the part of the model behind its embedding.
    radius : float
        r, in input space.
    dim : int
        P; at most the dimension of the input space.
    layers : sequence of str, optional
        Names of the nonlinearities to count, default all that the model executes. A nonlinearity is named by
        the path of its PyTorch module; where a module of your own calls a function, by the path of that module
        and the function (``block.relu``, or ``relu`` in the model itself). Repeated calls get ``:2``, ``:3`` …
        Logits enter no nonlinearity and are no layer; softmax and pooling are none either.
    rng : int or torch.Generator
        See `random_frames`, which gives the same frames.
    batch_size : int, optional
        Points evaluated at once; default: what fits the caches and the budget. It never changes the counts, see Notes.
    shared_frame : bool
        Use one random frame for all points instead of one for each.
    max_memory : number, optional
        Bytes that the vertices of one batch may take, with what a layer makes of them. The weights, a copy of which
        runs, are not counted.
    progress : bool
        Show a bar, point by point.

    Raises
    ------
    InvalidInputError
        Points that are not floating-point or do not fit the model, P > D, an unknown layer (the message lists
        the known ones), a model in training mode with batch norm or dropout, or one that mixes points
        otherwise; an operator that breaks at no fixed list of values, such as `floor` or `topk`.
    NonFiniteError
        NaN or infinity among the weights, the points, or the pre-activations.
    MemoryBudgetError
        The vertices around one point take more than `max_memory`.

    Notes
    -----
    A copy of the model runs in its own float format, half formats in float32. Every vertex carries a bound of its
    rounding error (see ``docs/complexity.md``). Units that float32 cannot decide are decided in float64, and those
    that float64 cannot decide either are not counted but reported as `undecided`. So the counts are a lower bound, and
    independent of batch size and device, whose rounding differs, wherever margins are clear.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024, section
    3.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 3))
    >>> result = local_complexity(model, torch.randn(5, 8), radius=0.1, dim=4)
    >>> result.layer_names, result.counts.shape
    (('1', '3'), (5, 2))
    """
    seed = seed_of(rng)
    layout = Layout(check_radius(radius), dim, seed, shared_frame, layers, batch_size, max_memory, progress)
    found, names = counts_around(model, points, layout)
    return LocalComplexity(found.counts, names, layout.radius, int(dim), found.undecided)


@dataclass(frozen=True)
class Layout:
    """What is counted around every point; see `local_complexity` for the meaning of each."""

    radius: float
    dim: int
    seed: int
    shared_frame: bool
    layers: Sequence[str] | None
    batch_size: int | None
    max_memory: float | None = None
    progress: bool = False


def counts_around(
    model: nn.Module | Captured, points: Tensor | ArrayLike, layout: Layout, first: int = 0
) -> tuple[Decided, tuple[str, ...]]:
    """What is counted, and the layer names; point k of `points` gets the frame of point ``first + k``."""
    model = module_of(model)
    x, dtype = check_points(model, points)
    with FrameStream(
        x[0].numel(),
        layout.dim,
        layout.seed,
        n_points=len(x),
        shared=layout.shared_frame,
        first=first,
        dtype=x.dtype,
        device=x.device,
    ) as frames:
        model = twin(model)
        found = survey(model, x, dtype)
        columns = found.select(layout.layers)
        around = Neighbourhoods(model, x, layout.radius, frames, found)
        size = points_per_batch(x, layout.dim, found, layout.batch_size, layout.max_memory)
        with tqdm(total=len(x), disable=not layout.progress, unit="point") as bar:
            return count_sign_changes(around, columns, size, dtype, bar), found.names(columns)
