"""From the engine's subdivision of many windows to one `Partition` per slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..mesh import Subdivision
from ..network import Section
from ..slices import Slice
from .certificate import Certificate
from .frame import Frame
from .record import Partition, as_numpy

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SectionFunction:
    """A network on one of a section's planes, in slice coordinates."""

    section: Section
    plane: int
    frame: Frame

    def __call__(self, u: Floats) -> Floats:
        """Outputs (n, out) at slice coordinates (n, 2)."""
        with torch.no_grad():
            return as_numpy(self.section(*self._points(u))).reshape(len(u), -1)

    def affine_maps(self, u: Floats) -> tuple[Floats, Floats]:
        """Slope (n, out, 2) and offset (n, out) of the regions around slice coordinates (n, 2)."""
        with torch.no_grad():
            value, slope = self.section.affine_maps(*self._points(u))
        slopes = as_numpy(slope).astype(np.float64) / self.frame.scale
        return slopes, as_numpy(value).astype(np.float64) - np.einsum("noi,ni->no", slopes, u)

    def _points(self, u: Floats) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(iter(self.section.base.values())).device
        v = torch.from_numpy(self.frame.normalise(np.asarray(u))).to(device=device, dtype=self.section.network.dtype)
        return v, torch.full((len(v),), self.plane, device=device)


def split_windows(
    mesh: Subdivision, domains: list[Slice], frames: list[Frame], section: Section, certificates: list[Certificate]
) -> list[Partition]:
    """One partition per window, each with its own numbering, from one subdivision of all of them."""
    region_order, region_start = _grouped(mesh.window, len(domains))
    edge_regions = mesh.edge_regions()
    edge_order, edge_start = _grouped(mesh.window[edge_regions.amax(1)], len(domains))
    vertex_order, vertex_start = _grouped(mesh.vertex_windows(), len(domains))

    if len(domains) == 1:
        loop_order, slot_start = torch.arange(len(mesh.loops), device=mesh.loops.device), [0, len(mesh.loops)]
    else:
        loop_regions = mesh.loop_regions()
        loop_order = torch.sort(_rank(region_order)[loop_regions], stable=True).indices
        slot_start = _starts(mesh.window[loop_regions], len(domains))
    sizes = as_numpy(mesh.offsets.diff()[region_order])
    new_region = torch.cat([_rank(region_order), region_order.new_full((1,), -1)])
    arrays = {
        "vertices": as_numpy(mesh.vertices[vertex_order]).astype(np.float64),
        "edges": as_numpy(_rank(vertex_order)[mesh.edges[edge_order]]),
        "edge_regions": as_numpy(new_region[edge_regions[edge_order]]),
        "edge_layer": as_numpy(mesh.edge_layer[edge_order]),
        "edge_unit": as_numpy(mesh.edge_unit[edge_order]),
        "region_vertices": as_numpy(_rank(vertex_order)[mesh.loop_vertices()[loop_order]]),
        "region_edges": as_numpy(_rank(edge_order)[mesh.loops[loop_order] >> 1]),
    }
    parts = []
    for k, (domain, frame) in enumerate(zip(domains, frames, strict=True)):
        vertices, edges = slice(*vertex_start[k : k + 2]), slice(*edge_start[k : k + 2])
        regions, slots = slice(*region_start[k : k + 2]), slice(*slot_start[k : k + 2])
        adjacent = arrays["edge_regions"][edges]
        parts.append(
            Partition(
                domain=domain,
                vertices=frame.restore(arrays["vertices"][vertices]),
                edges=arrays["edges"][edges] - vertices.start,
                edge_regions=np.where(adjacent < 0, -1, adjacent - regions.start),
                edge_layer=arrays["edge_layer"][edges].copy(),
                edge_unit=arrays["edge_unit"][edges].copy(),
                region_vertices=arrays["region_vertices"][slots] - vertices.start,
                region_edges=arrays["region_edges"][slots] - edges.start,
                region_offsets=np.concatenate([[0], np.cumsum(sizes[regions])]),
                layer_names=section.network.layer_names,
                unit_shapes=section.network.unit_shapes,
                certificate=certificates[k],
                function=SectionFunction(section, k, frame),
            )
        )
    return parts


def _grouped(window: torch.Tensor, n_windows: int) -> tuple[torch.Tensor, list[int]]:
    """Stable order by window, and where each window begins in it."""
    if n_windows == 1:
        return torch.arange(len(window), device=window.device), [0, len(window)]
    return torch.sort(window, stable=True).indices, _starts(window, n_windows)


def _starts(window: torch.Tensor, n_windows: int) -> list[int]:
    counts = torch.bincount(window, minlength=n_windows)
    return [0, *counts.cumsum(0).tolist()]


def _rank(order: torch.Tensor) -> torch.Tensor:
    """Inverse permutation."""
    rank = torch.zeros_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    return rank
