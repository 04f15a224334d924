"""The migration profile: local complexity on the way from the data to the decision boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError

from ..ambient import own_settings
from ..complexity import exact_local_complexity, local_complexity
from ..complexity.frames import seed_of
from ..given import real_array
from .classifier import checked, labels_of
from .undisturbed import undisturbed

Floats = NDArray[np.float64]

# Equal steps among which the first loss of the class is looked for, and halvings of the step where it happens.
_SCAN, _HALVINGS = 64, 40
_DRAWS = 999


class Crest(NamedTuple):
    """Where along the way local complexity is greatest: a fraction, and the ends of its interval."""

    fraction: float
    low: float
    high: float


@dataclass(frozen=True)
class MigrationProfile:
    """Local complexity along n segments from data points to the decision boundary.

    Attributes
    ----------
    fractions : ndarray, shape (F,)
        Of the way, from 0, the data, to 1, the boundary.
    complexity : ndarray of int, shape (n, F, L)
        Around the point of each segment at each fraction, by layer.
    distances : ndarray, shape (n,)
        From the data point to the boundary along the segment, in input space.
    layer_names : tuple of str
    radius : float
        Of the neighbourhoods, in input space.
    """

    fractions: Floats
    complexity: NDArray[np.int64]
    distances: Floats
    layer_names: tuple[str, ...]
    radius: float

    def __post_init__(self) -> None:
        for array in (self.fractions, self.complexity, self.distances):
            array.setflags(write=False)

    @property
    def mean(self) -> Floats:
        """(F,) mean over the segments of the sum over the layers; NaN without segments."""
        return self._mean(self._total)

    @property
    def standard_error(self) -> Floats:
        """(F,) standard error of `mean`: that over segments, not over trainings."""
        n = len(self._total)
        return self._total.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(self.fractions), np.nan)

    def layer_mean(self, layer: str) -> Floats:
        """(F,) mean over the segments, of one layer."""
        if layer not in self.layer_names:
            raise InvalidInputError(f"unknown layer {layer!r}; the layers are {list(self.layer_names)}")
        return self._mean(self.complexity[:, :, self.layer_names.index(layer)].astype(np.float64))

    @property
    def log2_ratio(self) -> float:
        """log₂ of local complexity at the boundary over that at the data, each with one zero set more in all.

        The one more keeps the ratio finite and draws it towards 0 where hardly anything was counted.
        """
        return self.log2_ratio_interval()[0]

    def log2_ratio_interval(self, level: float = 0.99, *, over: float = 0.0) -> tuple[float, float, float]:
        """`log2_ratio` and the ends of its confidence interval over segments, by Fieller's theorem.

        Ratio θ is in the interval if the mean over the segments of (boundary − θ data), which are paired, does not
        differ from 0 by Student's test. Where local complexity at the data does not differ from 0, the upper end is
        infinite.

        Parameters
        ----------
        level : float
        over : float
            The fraction to compare the boundary with: 0, the data, or a place between, the control that tells whether
            zero sets seek the boundary or only leave the data.

        References
        ----------
        E. C. Fieller, Some problems in interval estimation, Journal of the Royal Statistical Society B 16 (1954).
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level must lie between 0 and 1, not {level!r}")
        place = int(np.abs(self.fractions - over).argmin())
        if abs(self.fractions[place] - over) > 1e-9:
            raise InvalidInputError(f"over must be one of the fractions {self.fractions.tolist()}, not {over!r}")
        n = len(self._total)
        if n < 2:
            return np.nan, np.nan, np.nan
        # As if one further segment had one zero set at both places.
        pairs = np.concatenate([self._total[:, [-1, place]], np.ones((1, 2))])
        return _fieller(pairs[:, 0], pairs[:, 1], student.ppf((1 + level) / 2, n))

    @property
    def crest(self) -> Crest:
        """The fraction of the largest mean, with the 99 % interval over resampled segments (bootstrap)."""
        n = len(self._total)
        if n < 2:
            return Crest(np.nan, np.nan, np.nan)
        weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=_DRAWS)
        places = self.fractions[(weights @ self._total).argmax(axis=1)]
        low, high = np.quantile(places, (0.005, 0.995), method="nearest")
        return Crest(float(self.fractions[self.mean.argmax()]), float(low), float(high))

    @cached_property
    def _total(self) -> Floats:
        """(n, F)."""
        return self.complexity.sum(axis=2).astype(np.float64)

    def _mean(self, values: Floats) -> Floats:
        return values.mean(axis=0) if len(values) else np.full(len(self.fractions), np.nan)


@own_settings()
def migration_profile(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    *,
    n_segments: int = 400,
    fractions: int | Sequence[float] = 11,
    radius: float = 0.005,
    dim: int = 25,
    layers: Sequence[str] | None = None,
    exact: bool = False,
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
) -> MigrationProfile:
    """Measure local complexity at fractions of the way from data points to the decision boundary.

    A segment leads from a data point a to a data point b of another class. With c the class that the model gives a, and
    t the first place where the model gives a + t (b − a) another one, local complexity is measured at
    a + f t (b − a) for every fraction f: f = 0 is the data, f = 1 the boundary, and what lies between is the control.
    If regions have migrated, they have left f = 0 for f = 1. Every segment keeps its random frame along the way.

    The place t is the first of 64 equal steps at which the class is lost, refined by bisection; a class that is lost
    and found again within one step goes unseen.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier; it is evaluated in evaluation mode and left as it was found.
    x : Tensor or array, shape (N, *input shape)
        The data.
    y : Tensor or array of int, shape (N,)
        Their classes.
    n_segments : int
        Most segments; each begins at a data point of its own, as long as there are enough. Pairs to which the model
        gives the same class have none: before training there may be few segments, or none.
    fractions : int or sequence
        So many equally spaced ones from 0 to 1, or ascending ones that begin with 0 and end with 1.
    radius, dim, layers, batch_size : see `local_complexity`
    exact : bool
        Count zero sets that meet two-dimensional diamonds exactly, with `exact_local_complexity`, instead; `dim`,
        `layers` and `batch_size` do not matter then.
    rng : int or torch.Generator
        Of the segments and of the frames.

    Returns
    -------
    MigrationProfile
        Intervals are over segments. Trainings differ more than segments do: several seeds are needed too.

    Raises
    ------
    InvalidInputError
        Inputs that do not fit the labels or the model, or all of one class; wrong fractions.

    See Also
    --------
    migration_index : the same question to an exact slice.

    Examples
    --------
    The boundary is x = 0, a unit bends there and nowhere else; the data are at x = ±1:

    >>> model = nn.Sequential(nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 2))
    >>> with torch.no_grad():
    ...     for parameter, value in zip(model.parameters(), ([[1.0, 0.0]], [0.0], [[1.0], [-1.0]], [-1e-4, 1e-4])):
    ...         _ = parameter.copy_(torch.tensor(value))
    >>> x, y = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).repeat(20, 1), torch.tensor([1, 0]).repeat(20)
    >>> found = migration_profile(model, x, y, fractions=3, radius=0.01, dim=2)
    >>> found.mean.tolist(), found.crest.fraction
    ([0.0, 0.0, 1.0], 1.0)
    """
    where = _checked_fractions(fractions)
    if isinstance(n_segments, bool) or not isinstance(n_segments, (int, np.integer)) or n_segments < 1:
        raise InvalidInputError(f"n_segments must be a positive integer, not {n_segments!r}")
    seed = seed_of(rng)
    with undisturbed(model), torch.no_grad():
        inputs, labels = checked(model, x, y)
        a, way = _segments(model, inputs, labels, int(n_segments), seed)
        points = [a + f * way for f in where.tolist()]
        found: list = [
            exact_local_complexity(model, at, radius=radius, rng=seed)
            if exact
            else local_complexity(model, at, radius=radius, dim=dim, layers=layers, rng=seed, batch_size=batch_size)
            for at in (points if len(a) else [inputs[:1]] * len(where))
        ]
        counts = np.stack([one.counts for one in found], axis=1)[: len(a)]
    distances = way.flatten(1).norm(dim=1).double().cpu().numpy()
    return MigrationProfile(where, counts, distances, found[0].layer_names, float(radius))


def _segments(model: nn.Module, x: Tensor, y: Tensor, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Data points (n, *input shape), and the ways from them to the boundary."""
    classes = y.cpu().numpy()
    if len(np.unique(classes)) < 2:
        raise InvalidInputError("all points have the same label: no segment between two classes can be drawn")
    given = labels_of(model, x, y).cpu().numpy()
    generator = np.random.default_rng(seed)
    # Several rounds, each with every point in a new order: all points begin one segment before one begins two.
    starts = np.concatenate([generator.permutation(len(x)) for _ in range(-(-2 * n // len(x)) + 1)])
    ends = generator.integers(len(x), size=len(starts))
    usable = np.flatnonzero((classes[starts] != classes[ends]) & (given[starts] != given[ends]))[:n]
    a, b = x[torch.from_numpy(starts[usable])], x[torch.from_numpy(ends[usable])]
    own = torch.from_numpy(given[starts[usable]]).to(x.device)
    if not len(a):
        return a, b
    return a, _first_loss(model, a, b - a, own, y) * (b - a)


def _first_loss(model: nn.Module, a: Tensor, way: Tensor, own: Tensor, y: Tensor) -> Tensor:
    """t (n, 1, …) of the first point a + t way that has lost its class: the last place before it."""
    shape = (-1, *[1] * (a.dim() - 1))

    def keeps(t: Tensor) -> Tensor:
        return labels_of(model, a + t.reshape(shape) * way, y[: len(a)]) == own

    low, high = torch.zeros(len(a), dtype=a.dtype, device=a.device), torch.ones(len(a), dtype=a.dtype, device=a.device)
    for k in range(_SCAN - 1, 0, -1):
        lost = ~keeps(torch.full_like(low, k / _SCAN))
        high = torch.where(lost, k / _SCAN, high)
    low = high - 1 / _SCAN
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        same = keeps(middle)
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return low.reshape(shape)


def _fieller(a: Floats, b: Floats, quantile: float) -> tuple[float, float, float]:
    """log₂ of mean(a) / mean(b), and of the least and greatest θ ≥ 0 that Student's test of a − θ b allows."""
    n, (mean_a, mean_b) = len(a), (a.mean(), b.mean())
    (aa, ab), (_, bb) = np.cov(a, b) * quantile**2 / n
    # (mean_a − θ mean_b)² ≤ aa − 2 θ ab + θ² bb, a quadratic in θ.
    square, half, rest = mean_b**2 - bb, mean_a * mean_b - ab, mean_a**2 - aa
    root = np.sqrt(max(half**2 - square * rest, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        if square > 0:
            low, high = (half - root) / square, (half + root) / square
        else:  # b does not differ from 0: the ratio has no upper end
            low, high = (rest / (half + root) if half + root > 0 else 0.0), np.inf
        ends = np.log2([mean_a / mean_b, max(low, 0.0), high])
    return float(ends[0]), float(ends[1]), float(ends[2])


def _checked_fractions(fractions: int | Sequence[float]) -> Floats:
    if isinstance(fractions, (int, np.integer)) and not isinstance(fractions, bool):
        where = np.linspace(0, 1, int(fractions)) if fractions >= 2 else np.zeros(0)
    else:
        where = real_array(fractions, "fractions")
    if where.ndim != 1 or len(where) < 2 or where[0] != 0 or where[-1] != 1 or (np.diff(where) <= 0).any():
        raise InvalidInputError(f"fractions must ascend from 0 to 1, or be a number of at least two, not {fractions!r}")
    return where
