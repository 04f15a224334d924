"""How the layers bend a neighbourhood: eccentricity and diameter of the graph on its vertices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm import tqdm

from splinegeo.errors import InvalidInputError, NonFiniteError
from splinegeo.network import Captured, module_of

from ..ambient import own_settings
from ..budgets import batches, points_at_once
from ..records import Record
from .activations import Nonlinearity
from .frames import FrameStream, seed_of
from .neighbourhoods import Neighbourhoods
from .polytope import plain
from .recorder import SeenEnough
from .survey import Survey, check_points, check_radius, survey
from .twin import twin

# Bytes that vertices, their products and their two-hop paths of one batch may take.
_BATCH_BYTES = 2**27


@dataclass(frozen=True, eq=False, repr=False)
class Deformation(Record):
    """Deformation of N neighbourhoods by L layers; index 0 is the input space, index l the l-th output.

    Attributes
    ----------
    eccentricity : ndarray, shape (N, L + 1)
        Eccentricity of a vertex, averaged over the 2P vertices. Units of the space it is measured in.
    diameter : ndarray, shape (N, L + 1)
        Largest eccentricity.
    layer_names : tuple of str, length L
    radius, dim : float, int
        Radius r (input space) and number P of directions of the cross-polytopes.
    """

    eccentricity: NDArray[np.float64]
    diameter: NDArray[np.float64]
    layer_names: tuple[str, ...]
    radius: float
    dim: int

    def __post_init__(self) -> None:
        self.eccentricity.setflags(write=False)
        self.diameter.setflags(write=False)


@own_settings()
def neighborhood_deformation(
    model: nn.Module | Captured,
    points: Tensor | ArrayLike,
    *,
    radius: float,
    dim: int = 25,
    layers: Sequence[str] | None = None,
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
    max_memory: float | None = None,
    progress: bool = False,
) -> Deformation:
    """Measure how each layer deforms the cross-polytope x ± r v₁, …, x ± r v_P around each point x.

    The 2P vertices, embedded by the first l nonlinearities, are the nodes of a graph whose edges join all
    pairs but antipodes and weigh their Euclidean distances. By the triangle inequality an edge is the
    shortest path between its ends, and a shortest path between antipodes p, p̄ has two hops: min over q of |p
    − q| + |q − p̄|. The eccentricity of a vertex is its largest distance to another, the diameter is the
    largest eccentricity.

    In the input space all of them are 2√2 r. A scaled isometry multiplies them by its scale, a constant map
    takes them to 0; so the ratio to index 0 is the deformation of the neighbourhood by the layers before.

    Parameters
    ----------
    model, points, radius, dim, layers, rng
        As in `local_complexity`, which draws the same frames. The layer index l belongs to the *output* of
        the l-th nonlinearity, the input space of the next layer. `dim` must be at least 2: a single pair of
        antipodes has no edge.
    batch_size : int, optional
        Points measured at once; default: by memory.
    max_memory : number, optional
        Bytes that the vertices of one batch may take, with their distances and what a layer makes of them.
    progress : bool
        Show a bar, point by point.

    Raises
    ------
    InvalidInputError
        As `local_complexity`, and for ``dim=1``.
    NonFiniteError
        NaN or infinity among the weights, the points, or the outputs of the layers.

    Notes
    -----
    Everything is computed in float64 on the weights as they are. Distances below about 1e-8 of the diameter
    drown in rounding.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024, section
    3.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    >>> result = neighborhood_deformation(model, torch.rand(3, 4), radius=0.5, dim=3)
    >>> bool(np.allclose(result.diameter[:, 0], 2 * np.sqrt(2) * 0.5))
    True
    >>> result.diameter.shape, result.layer_names
    ((3, 2), ('1',))
    """
    radius = check_radius(radius)
    model = module_of(model)
    x, dtype = check_points(model, points)
    if dim == 1:
        raise InvalidInputError("dim=1: two antipodes are joined by no edge; the graph needs dim of at least 2")
    frames = FrameStream(x[0].numel(), dim, seed_of(rng), n_points=len(x), dtype=torch.float64, device=x.device)
    with frames:
        model = twin(model)
        found = survey(model, x, dtype)
        columns = found.select(layers)
        around = Neighbourhoods(model, x, radius, frames, found)
        size = points_at_once(_bytes_per_point(x, int(dim), found), _BATCH_BYTES, batch_size, max_memory)
        measured = []
        with tqdm(total=len(x), disable=not progress, unit="point") as bar:
            for indices in batches(len(x), size):
                measured.append(_measure(around, indices, columns))
                bar.update(len(indices))
    eccentricity, diameter = (np.concatenate(parts) for parts in zip(*measured, strict=True))
    if not np.isfinite(diameter).all():
        raise NonFiniteError("the outputs of the layers contain NaN or infinity")
    return Deformation(eccentricity, diameter, found.names(columns), radius, int(dim))


class _Distances:
    """Observer that measures the graph behind every selected nonlinearity."""

    def __init__(self, survey: Survey, columns: dict[int, int], shape: tuple[int, int]) -> None:
        self._survey, self._columns, self._shape = survey, columns, shape
        self._measured: dict[int, Tensor] = {}
        self._spelt: dict[int, Tensor] = {}  # outputs so far of activations that masks spell
        self._open = len(columns)

    def before(self, event: int, name: str, found: Nonlinearity) -> None:
        """Check that the layer is the one expected."""
        if event in self._columns:
            self._survey.check_label(event, name)

    def after(self, event: int, post: Tensor, inputs: list[Tensor]) -> None:
        """Measure the output; that of an activation in several steps is the last of them."""
        if event not in self._columns:
            return
        column, layer = self._columns[event], self._survey.layer(event)
        if layer.is_test:
            before = self._spelt.get(column)
            if before is not None and all(tensor is not before for tensor in inputs):
                raise _in_pieces(layer.name)
            self._spelt[column] = post
        if post.numel() != layer.n_units * self._shape[0] * self._shape[1]:
            raise _in_pieces(layer.name)
        self._measured[column] = eccentricities(layer.by_point(plain(post), *self._shape))
        self._open -= not layer.is_test
        if not self._open:
            raise SeenEnough

    @property
    def eccentricities(self) -> list[Tensor]:
        """Eccentricity of each vertex behind each layer, (n, 2P)."""
        missing = next((e for e, column in self._columns.items() if column not in self._measured), None)
        if missing is not None:
            raise _in_pieces(self._survey.layer(missing).name)
        return [self._measured[column] for column in sorted(self._measured)]


def _in_pieces(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"the activation of '{name}' is spelt by comparisons whose results are not brought together in one chain, so "
        "its output is not known; use one torch.where, or leave it out with layers="
    )


def eccentricities(vertices: Tensor) -> Tensor:
    """Eccentricity of each vertex in the graph that joins all but antipodes.

    Parameters
    ----------
    vertices : Tensor, shape (n, 2P, features)
        Vertex p and its antipode p + P, for n neighbourhoods.

    Returns
    -------
    Tensor, shape (n, 2P)
    """
    distances = _pairwise(vertices)
    dim = distances.shape[1] // 2
    first = torch.arange(dim, device=vertices.device)
    through = distances[:, :dim] + distances[:, dim:]
    through[:, first, first] = torch.inf
    through[:, first, first + dim] = torch.inf
    antipodal = through.amin(2).repeat(1, 2)
    distances[:, first, first + dim] = 0
    distances[:, first + dim, first] = 0
    return torch.maximum(distances.amax(2), antipodal)


def _pairwise(vertices: Tensor) -> Tensor:
    """Distances (n, m, m) by the law of cosines, from a vertex as the origin so that little cancels."""
    centred = vertices - vertices[:, :1]
    products = centred @ centred.mT
    squares = products.diagonal(dim1=1, dim2=2)
    squared = squares.unsqueeze(2) + squares.unsqueeze(1) - 2 * products
    return squared.clamp_min(0).sqrt()


def _measure(
    around: Neighbourhoods, indices: range, columns: dict[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean eccentricity and diameter (n, L + 1) of some neighbourhoods."""
    shape = (len(indices), around.n_vertices)
    start = eccentricities(around.vertices(indices).reshape(*shape, -1))
    seen = around.observe(indices, lambda: _Distances(around.survey, columns, shape), torch.float64)
    stacked = torch.stack([start, *seen.eccentricities], 1).cpu().numpy()
    return stacked.mean(2), stacked.max(2)


def _bytes_per_point(points: Tensor, dim: int, survey: Survey) -> int:
    widest = max([points[0].numel(), *(layer.n_units for layer in survey.events if layer is not None)])
    return 8 * 2 * dim * (6 * widest + 6 * dim)
