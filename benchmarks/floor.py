"""The floor: what any method that carries live tensors on vertices must at least do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

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

    def __init__(self, workload: Workload, parts: list[list[sg.Partition]], device: str = "cpu") -> None:
        with torch.no_grad():
            self._passes = [
                _Pass([on_plane(workload.at(state), domain) for domain in workload.domains], row, device)
                for state, row in zip(workload.states, parts, strict=True)
            ]

    def __call__(self) -> int:
        """One pass per checkpoint; returns the number of vertices."""
        with torch.no_grad():
            return sum(once() for once in self._passes)

    def at(self, speeds: Speeds) -> float:
        """Seconds that it would take if nothing but bytes and operations took time."""
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            n_bytes = sum(once.n_bytes() for once in self._passes)
        return n_bytes / speeds.bytes + counter.get_total_flops() / speeds.operations


@dataclass(frozen=True)
class Speeds:
    """What a device does in a second, measured.

    Attributes
    ----------
    device : its name
    bytes : read or written, by a copy of a gigabyte
    operations : in float64, by a product of large matrices
    """

    device: str
    bytes: float
    operations: float

    @classmethod
    def of(cls, device: str, size: int = 2**27, width: int = 4096) -> Speeds:
        """The best of some repeats."""
        source, matrix = (torch.ones(shape, dtype=torch.float64, device=device) for shape in (size, (width, width)))
        target, product = torch.zeros_like(source), torch.zeros_like(matrix)
        copying = _best(lambda: target.copy_(source))
        multiplying = _best(lambda: torch.mm(matrix, matrix, out=product))
        name = torch.cuda.get_device_name(device) if source.is_cuda else device
        return cls(name, 2 * 8 * size / copying, 2 * width**3 / multiplying)


def _best(work: Callable[[], Tensor], repeats: int = 10) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work().reshape(-1)[:1].cpu()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return min(seconds)


class _Pass:
    """The pass of one checkpoint: the vertices of all slices in one batch."""

    def __init__(self, models: list[nn.Sequential], parts: list[sg.Partition], device: str) -> None:
        self._u = torch.from_numpy(np.concatenate([part.vertices for part in parts])).to(device)
        models = [model.to(device) for model in models]
        self._tail = list(models[0])[1:]
        self._first: Callable[[Tensor], Tensor] = models[0][0]
        if len(models) > 1:
            sizes = torch.tensor([part.n_vertices for part in parts])
            which = torch.repeat_interleave(torch.arange(len(parts)), sizes).to(device)
            weight = torch.stack([model[0].weight for model in models])
            bias = torch.stack([model[0].bias for model in models])
            self._first = lambda u: _planes(u, weight, bias, which)

    def __call__(self) -> int:
        for z in self._layers():
            last = z
        last.reshape(-1)[:1].cpu()  # waits for the device
        return len(last)

    def n_bytes(self) -> int:
        """One read and one write of every live tensor."""
        return sum(2 * z.numel() * z.element_size() for z in self._layers())

    def _layers(self) -> Iterator[Tensor]:
        z = self._first(self._u)
        yield z
        for layer in self._tail:
            z = z.relu_() if isinstance(layer, nn.ReLU) else layer(z)
            yield z


def _planes(u: Tensor, weight: Tensor, bias: Tensor, which: Tensor) -> Tensor:
    """The first layer of each vertex's own plane."""
    values = bias[which]
    for axis in range(2):
        values.addcmul_(weight[which, :, axis], u[:, axis, None])
    return values
