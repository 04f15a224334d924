"""The floor: what any method that carries live tensors on vertices must at least do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

import splinegeo as sg

from .planes import on_plane
from .workloads import Workload


class Floor:
    """One forward pass of the final vertices, in float64.

    The matrix products of all layers, and one read and one write of every live tensor: the activations, in place.
    The input layer is composed with the plane, so that it costs two products per unit, not one per pixel. Nothing
    about geometry is in it. A method may stay below it: values behind the last cut are never needed at the vertices
    that this cut makes.
    """

    def __init__(self, workload: Workload, parts: list[list[sg.Partition]]) -> None:
        with torch.no_grad():
            self._passes = [
                _Pass([on_plane(workload.at(state), domain) for domain in workload.domains], row)
                for state, row in zip(workload.states, parts, strict=True)
            ]

    def __call__(self) -> int:
        """One pass per checkpoint; returns the number of vertices."""
        with torch.no_grad():
            return sum(once() for once in self._passes)


class _Pass:
    """The pass of one checkpoint: the vertices of all slices in one batch."""

    def __init__(self, models: list[nn.Sequential], parts: list[sg.Partition]) -> None:
        self._u = torch.from_numpy(np.concatenate([part.vertices for part in parts]))
        self._tail = list(models[0])[1:]
        self._first: Callable[[Tensor], Tensor] = models[0][0]
        if len(models) > 1:
            sizes = torch.tensor([part.n_vertices for part in parts])
            which = torch.repeat_interleave(torch.arange(len(parts)), sizes)
            weight = torch.stack([model[0].weight for model in models])
            bias = torch.stack([model[0].bias for model in models])
            self._first = lambda u: _planes(u, weight, bias, which)

    def __call__(self) -> int:
        z = self._first(self._u)
        for layer in self._tail:
            z = z.relu_() if isinstance(layer, nn.ReLU) else layer(z)
        return len(z)


def _planes(u: Tensor, weight: Tensor, bias: Tensor, which: Tensor) -> Tensor:
    """The first layer of each vertex's own plane."""
    values = bias[which]
    for axis in range(2):
        values.addcmul_(weight[which, :, axis], u[:, axis, None])
    return values
