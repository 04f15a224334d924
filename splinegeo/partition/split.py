"""From the engine's subdivision of many windows to one `Partition` per slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..ambient import own_settings
from ..mesh import Subdivision, on_host, sort_by_window
from ..network import Section, full_precision
from ..slices import Slice
from .certificate import Certificate
from .frame import Frame
from .patterns import input_slope_norms, unit_pieces
from .record import Partition, as_numpy

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SectionFunction:
    """A network on one of a section's planes, in slice coordinates."""

    section: Section
    plane: int
    frame: Frame

    @own_settings("cpu")
    def __call__(self, u: Floats) -> Floats:
        """Outputs (n, out) at slice coordinates (n, 2)."""
        with torch.no_grad():
            return as_numpy(self.section(*self._points(u))).reshape(len(u), -1)

    @own_settings("cpu")
    def affine_maps(self, u: Floats) -> tuple[Floats, Floats]:
        """Slope (n, out, 2) and offset (n, out) of the regions around slice coordinates (n, 2)."""
        with torch.no_grad():
            value, slope = self.section.affine_maps(*self._points(u))
        slopes = as_numpy(slope).astype(np.float64) / self.frame.scale
        return slopes, as_numpy(value).astype(np.float64) - np.einsum("noi,ni->no", slopes, u)

    @own_settings("cpu")
    def pieces(self, u: Floats, tolerance: float) -> list[NDArray[np.int64]]:
        """For each nonlinearity the piece (n, units) that every unit is on, at slice coordinates (n, 2)."""
        with torch.no_grad(), full_precision(self.section.network.dtype, self.section.network.device):
            return [as_numpy(codes) for codes in unit_pieces(self.section, *self._points(u), tolerance)]

    @own_settings("cpu")
    def input_slope_norms(self, x: torch.Tensor) -> Floats:
        """(n,) Frobenius norm of the derivative of the outputs by the inputs, at inputs (n, *input_shape)."""
        network = self.section.network
        return as_numpy(input_slope_norms(self.section, x.to(network.device, network.dtype))).astype(np.float64)

    def _points(self, u: Floats) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(iter(self.section.base.values())).device
        v = torch.from_numpy(self.frame.normalise(np.asarray(u))).to(device=device, dtype=self.section.network.dtype)
        return v, torch.full((len(v),), self.plane, device=device)


def split_windows(
    mesh: Subdivision, domains: list[Slice], frames: list[Frame], section: Section, certificates: list[Certificate]
) -> list[Partition]:
    """One partition per window, each with its own numbering, from one subdivision of all of them."""
    mesh, starts = sort_by_window(mesh, len(domains))
    arrays = {
        "vertices": on_host(mesh.vertices).astype(np.float64),
        "edges": on_host(mesh.edges),
        "edge_regions": on_host(mesh.edge_regions()),
        "edge_layer": on_host(mesh.edge_layer),
        "edge_unit": on_host(mesh.edge_unit),
        "region_vertices": on_host(mesh.loop_vertices()),
        "region_edges": on_host(mesh.loops >> 1),
        "region_offsets": on_host(mesh.offsets),
    }
    parts = []
    for k, (domain, frame) in enumerate(zip(domains, frames, strict=True)):
        vertices, edges, regions = (slice(*start[k : k + 2]) for start in starts)
        offsets = arrays["region_offsets"][regions.start : regions.stop + 1]
        slots = slice(offsets[0], offsets[-1])
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
                region_offsets=offsets - slots.start,
                layer_names=section.network.layer_names,
                unit_shapes=section.network.unit_shapes,
                certificate=certificates[k],
                function=SectionFunction(section, k, frame),
            )
        )
    return parts
