"""The affine maps of all regions from the network's values at their corners: three times faster than by tangents."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from splinegeo import Partition, Slice

Floats = NDArray[np.float64]

_WANTED = 1e-6  # relative error of a slope beyond which it is asked for by tangents
_ROUNDING = 64 * np.finfo(np.float64).eps  # of a value, as a share of the largest value
_THIN = 1e-9  # squared width over squared length: below, the width itself is rounding
_ROWS = 2048  # of inputs at once, so that what is between the layers stays in the cache


@dataclass(frozen=True)
class CornerMaps:
    """The function of a partition, whose affine maps come from its values at the corners.

    On a region f is affine, so its slope is the least-squares fit through the corners p: A = Σ (f − f̄)(p − p̄)ᵀ (Σ
    (p − p̄)(p − p̄)ᵀ)⁻¹. One pass of the network over the vertices, shared by the regions around them, replaces a
    pass and two tangents for every region. Where rounding could make a relative error above 1e-6, as in slivers and
    in windows that are tiny for their distance from the origin, the tangents are asked after all.

    Attributes
    ----------
    part : Partition
        With its network.
    """

    part: Partition

    def __call__(self, u: Floats) -> Floats:
        """Outputs (n, out) at slice coordinates (n, 2)."""
        function = self.part.function
        assert function is not None
        return np.concatenate([function(some) for some in np.array_split(u, 1 + len(u) // _ROWS)])

    def affine_maps(self, u: Floats) -> tuple[Floats, Floats]:
        """Slope (n, out, 2) and offset (n, out) of the regions around slice coordinates (n, 2)."""
        slope, offset = self._maps()
        if np.array_equal(u, self.part.interior_points):
            return slope, offset
        region = self.part.locate(u)
        return slope[region], offset[region]

    def _maps(self) -> tuple[Floats, Floats]:
        part, start = self.part, self.part.region_offsets[:-1]
        sizes = np.diff(part.region_offsets)
        values = self(part.vertices)
        mean = np.add.reduceat(part.vertices[part.region_vertices], start) / sizes[:, None]
        p = part.vertices[part.region_vertices] - np.repeat(mean, sizes, axis=0)
        f = values[part.region_vertices]
        level = np.add.reduceat(f, start) / sizes[:, None]
        f -= np.repeat(level, sizes, axis=0)
        products = [np.add.reduceat(f * p[:, axis, None], start) for axis in (0, 1)]
        xx, xy, yy = (np.add.reduceat(p[:, a] * p[:, b], start) for a, b in ((0, 0), (0, 1), (1, 1)))
        determinant = xx * yy - xy**2
        inverse = 1 / np.where(determinant > 0, determinant, 1)
        slope = np.stack(
            [
                (yy * inverse)[:, None] * products[0] - (xy * inverse)[:, None] * products[1],
                (xx * inverse)[:, None] * products[1] - (xy * inverse)[:, None] * products[0],
            ],
            axis=2,
        )
        offset = level - np.einsum("roi,ri->ro", slope, mean)
        doubtful = np.flatnonzero(self._doubtful(slope, values, xx + yy, determinant))
        if len(doubtful):
            assert part.function is not None
            slope[doubtful], offset[doubtful] = part.function.affine_maps(part.interior_points[doubtful])
        return slope, offset

    def _doubtful(self, slope: Floats, values: Floats, spread: Floats, determinant: Floats) -> NDArray[np.bool_]:
        """Where rounding of values and vertices could disturb the slope by more than is wanted."""
        width = np.sqrt(np.maximum(determinant, 0) / np.where(spread > 0, spread, 1))
        norm = np.linalg.norm(slope, axis=(1, 2))
        far = np.abs(self.part.vertices).max()
        error = _ROUNDING * (np.abs(values).max() + far * norm)
        return (determinant <= _THIN * spread**2) | ~(error <= _WANTED * norm * width)


def with_corner_maps(part: Partition) -> Partition:
    """The same partition, its maps from the corners; as it is if it has no network, or regions that are not convex."""
    if part.function is None or not part.has_convex_regions or "slope" in vars(part):
        return part
    return replace(part, function=CornerMaps(part))


@dataclass(frozen=True)
class ModuleOnSlice:
    """A module as a function of slice coordinates: what a partition that was loaded from a file has lost.

    Attributes
    ----------
    model : nn.Module
        In float64 and eval mode.
    domain : Slice
    """

    model: nn.Module
    domain: Slice

    def __call__(self, u: Floats) -> Floats:
        """Outputs (n, out) at slice coordinates (n, 2)."""
        with torch.no_grad():
            rows = [self._outputs(torch.tensor(some)) for some in np.array_split(u, 1 + len(u) // _ROWS)]
        return torch.cat(rows).numpy()

    def affine_maps(self, u: Floats) -> tuple[Floats, Floats]:
        """Slope (n, out, 2) and offset (n, out) of the regions around slice coordinates (n, 2): value and tangents."""
        at = torch.tensor(u)
        tangents = [torch.eye(2, dtype=torch.float64)[axis].expand(len(u), 2) for axis in (0, 1)]
        values, columns = zip(*(torch.func.jvp(self._outputs, (at,), (tangent,)) for tangent in tangents), strict=True)
        slope = torch.stack(columns, dim=2).detach().numpy()
        return slope, values[0].detach().numpy() - np.einsum("noi,ni->no", slope, u)

    def _outputs(self, u: Tensor) -> Tensor:
        basis, origin = torch.from_numpy(self.domain.basis.copy()), torch.from_numpy(self.domain.origin.copy())
        x = origin + u @ basis.T
        return self.model(x.reshape(-1, *self.domain.input_shape)).reshape(len(u), -1)


def with_network(part: Partition, model: nn.Module) -> Partition:
    """A partition that was loaded without maps, and the network it is the partition of."""
    return replace(part, function=ModuleOnSlice(copy.deepcopy(model).double().eval(), part.domain))
