"""Laws of the affine maps: continuous across every edge, and the model's own inside every region."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from .arrays import cross, half_edges, require, window_size
from .contract import PartitionLike

RELATIVE = 1e-8  # of the size of the maps: slopes and values are sums of products in float64


def check_maps(part: PartitionLike, length: float) -> None:
    """The maps of two neighbours agree on their edge: the jump of the slope has rank 1, along the normal."""
    inner = np.flatnonzero((np.asarray(part.edge_regions) >= 0).all(axis=1))
    one, other = np.asarray(part.edge_regions)[inner].T
    steepness, size = _steepness(part), window_size(part)
    slope_jump = part.slope[one] - part.slope[other]
    offset_jump = part.offset[one] - part.offset[other]
    reach = np.abs(part.vertices).max()
    allowed = RELATIVE * (steepness * reach + np.abs(part.offset).max(initial=0.0))
    for end in np.asarray(part.edges)[inner].T:
        gap = np.abs(np.einsum("eoc,ec->eo", slope_jump, part.vertices[end]) + offset_jump)
        _require_edges(gap <= allowed, "the maps of two neighbours differ on their edge", inner)
    a, b = np.asarray(part.edges)[inner].T
    tangent = part.vertices[b] - part.vertices[a]
    lengths = np.linalg.norm(tangent, axis=1, keepdims=True)
    along = np.abs(np.einsum("eoc,ec->eo", slope_jump, tangent / lengths))
    known = RELATIVE * steepness + steepness * length * size / lengths  # a short edge has no sharp direction
    _require_edges(along <= known, "the jump of the slope is not along the edge's normal", inner)


def check_model(part: PartitionLike, model: nn.Module, length: float) -> None:
    """Slope and value agree with autograd at the centroid of every region thicker than the tolerance."""
    thick = np.flatnonzero(_clearance(part) > length * window_size(part))
    jacobian, value = model_at(model, part, part.centroids[thick])
    claimed = np.einsum("roc,rc->ro", part.slope[thick], part.centroids[thick]) + part.offset[thick]
    reach = np.abs(part.vertices).max()
    allowed = RELATIVE * (np.abs(value).max(initial=0.0) + _steepness(part) * reach)
    wrong = np.abs(claimed - value).max(axis=1, initial=0.0) > allowed
    require(not wrong.any(), f"the map's value is not the model's: regions {thick[wrong][:10].tolist()}")
    off = np.abs(jacobian - part.slope[thick]).max(axis=(1, 2), initial=0.0) > RELATIVE * _steepness(part)
    require(not off.any(), f"the slope is not the model's Jacobian: regions {thick[off][:10].tolist()}")


def model_at(model: nn.Module, part: PartitionLike, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Jacobian ``(n, out, 2)`` in slice coordinates and value ``(n, out)`` of a float64 copy of the model."""
    twin = copy.deepcopy(model).double().eval()
    x = part.domain.embed(points).double().requires_grad_()
    with torch.enable_grad():
        value = twin(x).flatten(1)
        rows = [
            torch.autograd.grad(value[:, k].sum(), x, retain_graph=True)[0].flatten(1) for k in range(value.shape[1])
        ]
    gradients = torch.stack(rows, dim=1).numpy()
    return gradients @ np.asarray(part.domain.basis), value.detach().numpy()


def _steepness(part: PartitionLike) -> float:
    """The largest entry of any slope, or of an offset over the window's size: what errors are measured by."""
    return float(max(np.abs(part.slope).max(initial=0.0), np.abs(part.offset).max(initial=0.0) / window_size(part)))


def _clearance(part: PartitionLike) -> np.ndarray:
    """Distance from every centroid to the nearest line that carries a side of its region."""
    start, end, region = half_edges(part)
    side = part.vertices[end] - part.vertices[start]
    arm = part.centroids[region] - part.vertices[start]
    height = cross(side, arm) / np.linalg.norm(side, axis=1)
    return np.minimum.reduceat(height, np.asarray(part.region_offsets[:-1]))


def _require_edges(good: np.ndarray, sentence: str, edges: np.ndarray) -> None:
    bad = edges[~good.all(axis=1)]
    require(not len(bad), f"{sentence}: edges {bad[:10].tolist()}")
