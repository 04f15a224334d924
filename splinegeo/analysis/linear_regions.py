"""`linear_regions`: from activation patterns to affine maps, by merging neighbours that have the same one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..partition import LINEAR, Partition, with_maps
from .merging import merge_regions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHUNK = 2**22  # outputs compared at once: bounds the memory


def linear_regions(part: Partition) -> Partition:
    """The partition into linear regions: neighbours on which the network is the same affine map are one region.

    Two neighbouring activation regions have the same map where the unit between them has no influence on the
    output: its outgoing weights are zero, all units behind it are off, or another unit undoes its bend, as in
    relu(z) − relu(−z) = z. A linear region is a maximal union of activation regions of one map that are connected
    through common edges. It need not be convex, and may have holes; see `Partition` for its loop.

    Maps count as equal if at no corner of the window, hence nowhere in it, an output differs by more than
    ``certificate.value_tolerance`` times the largest magnitude that enters an output on the slice,
    ``max |slope| · |u| + |offset|``.

    Parameters
    ----------
    part : Partition
        With its affine maps.

    Returns
    -------
    Partition
        Of the ``kind`` ``"linear"``. Regions are in the order of the first activation region of each. Vertices on
        which dissolved edges ended stay where they are, on straight sides. If nothing merges, all arrays are those
        of `part`.

    Raises
    ------
    InvalidInputError
        If the partition was saved without its maps.

    Examples
    --------
    The ramp relu(z) − relu(−z) = z is affine, and so is everything on the slice:

    >>> import torch, splinegeo as sg
    >>> layer, last = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[1.0, 2.0], [-1.0, -2.0]]), "bias": torch.zeros(2)})
    >>> _ = last.load_state_dict({"weight": torch.tensor([[1.0, -1.0]]), "bias": torch.zeros(1)})
    >>> model = torch.nn.Sequential(layer, torch.nn.ReLU(), last)
    >>> part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    >>> part.n_regions, sg.linear_regions(part).n_regions
    (2, 1)
    """
    label = _labels(part)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    label = np.argsort(np.argsort(first))[inverse.reshape(-1)]
    merged = Partition(
        domain=part.domain,
        layer_names=part.layer_names,
        unit_shapes=part.unit_shapes,
        certificate=part.certificate,
        function=part.function,
        kind=LINEAR,
        **merge_regions(part, label),
    )
    # The map of the largest of the merged regions is the best conditioned.
    largest = np.lexsort((-part.areas, label))[np.searchsorted(np.sort(label), np.arange(label.max() + 1))]
    return with_maps(merged, slope=part.slope[largest], offset=part.offset[largest])


def _labels(part: Partition) -> Ints:
    """(R,) index of the connected set of regions with one map that each region belongs to."""
    same = part.edge_regions[part.inner_edges[_have_one_map(part)]]
    graph = coo_matrix((np.ones(len(same), dtype=np.int8), same.T), shape=(part.n_regions, part.n_regions))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _have_one_map(part: Partition) -> NDArray[np.bool_]:
    """For each inner edge, whether the maps of its two regions are equal on the window."""
    corner = part.domain.window
    tolerance = part.certificate.value_tolerance * _magnitude(part)
    left, right = part.edge_regions[part.inner_edges].T
    same = np.zeros(len(left), dtype=bool)
    step = max(1, _CHUNK // max(1, part.offset.shape[1]))
    for start in range(0, len(left), step):
        a, b = left[start : start + step], right[start : start + step]
        slope, offset = part.slope[a] - part.slope[b], part.offset[a] - part.offset[b]
        worst = np.zeros(len(a))
        for u in corner:
            worst = np.maximum(worst, np.abs(slope @ u + offset).max(axis=1))
        same[start : start + step] = worst <= tolerance
    return same


def _magnitude(part: Partition) -> float:
    """The largest sum of magnitudes that enters an output on the slice."""
    reach = np.abs(part.domain.window).max(axis=0)
    return float((np.abs(part.slope) @ reach + np.abs(part.offset)).max())
