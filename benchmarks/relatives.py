"""The contestants: each a function without arguments that returns the number of regions it has found."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

import splinegeo as sg
from splinegeo.engine.compute import partitions_of
from splinegeo.network import capture
from splinegeo.tolerance import Tolerance

from .planes import is_plain, on_plane, square_of
from .workloads import Workload

try:  # extras, like every relative: the comparison leaves out what is not installed
    import regioncam
except ImportError:
    regioncam = None
try:
    import relucent
except ImportError:
    relucent = None

Contestant = Callable[[], int]


def whole(workload: Workload, device: str = "cpu") -> Contestant:
    """splinegeo as users call it: capture and verification included."""
    return lambda: _total(
        sg.compute_partitions(workload.model, workload.domains, states=workload.states, device=device)
    )


def bare(workload: Workload, device: str = "cpu") -> Contestant:
    """splinegeo without capture and verification: what the checkpoints themselves cost."""
    architecture = capture(workload.model, workload.domains[0].input_shape)
    tolerance = Tolerance.of(torch.float64)
    return lambda: _total(
        [
            partitions_of(architecture.bind(state).to(device, torch.float64), workload.domains, tolerance, device)
            for state in workload.states
        ]
    )


def _total(rows: list[list[sg.Partition]]) -> int:
    return sum(part.n_regions for row in rows for part in row)


def by_regioncam(workload: Workload) -> Contestant | None:
    """regioncam (Rust, float32), one window after the other; None if it cannot take the network.

    It takes networks of two inputs on a square around the origin: others are given to it composed with their plane.
    """
    if regioncam is None:
        return None
    jobs = [
        (on_plane(workload.at(state), square), half)
        for state in workload.states
        for square, half in map(square_of, workload.domains)
    ]
    if not all(is_plain(model) for model, _ in jobs):
        return None
    prepared = [(_float32_layers(model), half) for model, half in jobs]
    return lambda: sum(_n_faces(layers, half) for layers, half in prepared)


def _float32_layers(model: nn.Sequential) -> list[tuple[object, object] | None]:
    return [
        (layer.weight.float().numpy().T.copy(), layer.bias.float().numpy()) if isinstance(layer, nn.Linear) else None
        for layer in model
    ]


def _n_faces(layers: list[tuple[object, object] | None], half_width: float) -> int:
    camera = regioncam.Regioncam(size=half_width)
    for layer in layers:
        if layer is None:
            camera.relu()
        else:
            camera.linear(*layer)
    return camera.num_faces


def by_relucent(workload: Workload, threads: int) -> Contestant | None:
    """relucent (linear programmes, float64), for one checkpoint on one window; None if it cannot take the network.

    It searches the whole plane unless it is given a cube, here the window. It then finds the activation patterns of
    the cells that meet the cube, bounded or not; a cell is convex, so that each is one region of the window.
    """
    if relucent is None or len(workload.states) * len(workload.domains) > 1:
        return None
    square, half = square_of(workload.domains[0])
    model = on_plane(workload.at(workload.states[0]), square)
    if not is_plain(model):
        return None

    def search() -> int:
        found = relucent.Complex(model)
        found.bfs(cube_radius=half, cube_mode="intersect", nworkers=threads, verify=False, verbose=0)
        return len(found)

    return search
