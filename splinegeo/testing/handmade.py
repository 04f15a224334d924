"""Networks whose number of regions is known in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from .modules import Maxout


def linear_layer(weight: ArrayLike | torch.Tensor, bias: ArrayLike | torch.Tensor) -> nn.Linear:
    """A float64 linear layer with the given weights; no random number is drawn.

    Parameters
    ----------
    weight : (out, in) floats
    bias : (out,) floats

    Examples
    --------
    >>> linear_layer([[1, 2]], [3])(torch.ones(1, 2, dtype=torch.float64)).tolist()
    [[6.0]]
    """
    matrix = torch.as_tensor(weight, dtype=torch.float64).detach().clone()
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], device="meta", dtype=torch.float64)
    layer.weight = nn.Parameter(matrix)
    layer.bias = nn.Parameter(torch.as_tensor(bias, dtype=torch.float64).detach().clone())
    return layer


def line_network(lines: ArrayLike, activation: nn.Module | None = None) -> nn.Sequential:
    """One layer whose units vanish on the lines a x + b y + c = 0.

    Parameters
    ----------
    lines : (n, 3) floats
        Rows (a, b, c).
    activation : nn.Module, optional
        ReLU unless given.

    Examples
    --------
    >>> len(line_network(grid_lines(2, 3))[0].bias)
    5
    """
    table = np.array(lines, dtype=np.float64)
    return nn.Sequential(linear_layer(table[:, :2], table[:, 2]), activation or nn.ReLU())


def generic_lines(n: int, rng: int | np.random.Generator = 0) -> np.ndarray:
    """``n`` lines in general position near the origin: 1 + n + C(n, 2) regions in a window large enough.

    Slopes and offsets are random: no two are parallel and no three concurrent, with probability 1.

    Examples
    --------
    >>> generic_lines(4).shape
    (4, 3)
    """
    draw = np.random.default_rng(rng)
    angles = (np.arange(n) + draw.uniform(0.1, 0.9, n)) * np.pi / max(n, 1)
    return np.stack([np.cos(angles), np.sin(angles), draw.uniform(-0.5, 0.5, n)], axis=1)


def concurrent_lines(k: int, through: Sequence[int] = (0, 0)) -> np.ndarray:
    """``k`` lines through one point with integer coordinates, exactly: 2k regions around it.

    Examples
    --------
    >>> concurrent_lines(2, through=(3, 1)).tolist()
    [[1.0, 0.0, -3.0], [1.0, 1.0, -4.0]]
    """
    x, y = through
    return np.array([(1, slope, -(x + slope * y)) for slope in range(k)], dtype=np.float64)


def parallel_lines(k: int) -> np.ndarray:
    """The lines x + 2 y = i / (k + 1), i = 1 … k, exact when k + 1 is a power of two: k + 1 regions.

    Examples
    --------
    >>> parallel_lines(1).tolist()
    [[1.0, 2.0, -0.5]]
    """
    return np.array([(1.0, 2.0, -i / (k + 1)) for i in range(1, k + 1)], dtype=np.float64)


def grid_lines(a: int, b: int) -> np.ndarray:
    """``a`` vertical and ``b`` horizontal lines through (0, 1)²: (a + 1)(b + 1) regions of the unit square.

    Examples
    --------
    >>> grid_lines(1, 1).tolist()
    [[1.0, 0.0, -0.5], [0.0, 1.0, -0.5]]
    """
    vertical = [(1.0, 0.0, -i / (a + 1)) for i in range(1, a + 1)]
    horizontal = [(0.0, 1.0, -j / (b + 1)) for j in range(1, b + 1)]
    return np.array(vertical + horizontal, dtype=np.float64).reshape(-1, 3)


def tent_map(depth: int, coordinates: int = 2) -> nn.Sequential:
    """The tent map t(x) = 2 relu(x) − 4 relu(x − 1/2), composed `depth` times in each coordinate.

    On the unit square it makes 2^depth strips (one coordinate) or 4^depth squares (two). From the second
    layer on units touch zero at vertices and edges that are there already.

    Parameters
    ----------
    depth : int
    coordinates : {1, 2}
        Fold x only, or x and y.

    Examples
    --------
    >>> tent_map(2)(torch.tensor([[0.25, 0.125]], dtype=torch.float64)).tolist()
    [[1.0, 0.5]]
    """
    fold = np.eye(coordinates)
    layers: list[nn.Module] = []
    for level in range(depth):
        enter = fold if level else np.eye(2)[:coordinates]
        shift = np.concatenate([np.zeros(coordinates), np.full(coordinates, -0.5)])
        layers += [linear_layer(np.concatenate([enter, enter]), shift), nn.ReLU()]
        layers.append(linear_layer(np.concatenate([2 * fold, -4 * fold], axis=1), np.zeros(coordinates)))
    return nn.Sequential(*layers)


def voronoi_network(sites: ArrayLike) -> nn.Sequential:
    """The maximum over 2 c_i · u − |c_i|²: its regions are the Voronoi cells of the sites c_i.

    Parameters
    ----------
    sites : (n, 2) floats

    Examples
    --------
    >>> voronoi_network([[0, 0], [1, 0]])(torch.tensor([[1.0, 0.0]], dtype=torch.float64)).tolist()
    [[1.0]]
    """
    c = np.array(sites, dtype=np.float64)
    return nn.Sequential(linear_layer(2 * c, -(c**2).sum(axis=1)), Maxout(len(c)))
