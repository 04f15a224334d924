"""Close decisions settled in rational arithmetic: the partition that the given floats have, proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import NonFiniteError
from ..network import Network
from ..partition import Partition
from ..rational import Layer, RationalPartition, dyadic, rational_partition
from ..slices import Slice
from .layers import exact_layers


def settle(parts: Sequence[Partition], network: Network) -> list[Partition]:
    """The same partitions, those with a close decision computed again in rational arithmetic.

    A sign that floating point found to be zero is close, too: rounding makes zeros of numbers that are none.

    Parameters
    ----------
    parts : of slices of the network
    network : in float64, on the CPU

    Raises
    ------
    InvalidInputError
        If a coefficient of the network is not exactly a given float.
    """
    if all(part.certificate.is_generic for part in parts):
        return list(parts)
    layers = exact_layers(network, parts[0].domain.input_shape)
    return [part if part.certificate.is_generic else _proven(part, layers) for part in parts]


def exact_partition(layers: Sequence[Layer], domain: Slice) -> RationalPartition:
    """The partition of a slice in rational arithmetic, in slice coordinates."""
    integers, exponent = dyadic(np.column_stack([domain.basis, domain.origin]).reshape(-1).tolist())
    rows = list(zip(integers[0::3], integers[1::3], integers[2::3], strict=True))
    return rational_partition(layers, domain.window.tolist(), (rows, exponent))


def _proven(part: Partition, layers: Sequence[Layer]) -> Partition:
    """A partition with everything but its function and its history replaced by the exact one, rounded."""
    exact = exact_partition(layers, part.domain)
    mesh = exact.subdivision
    labels = np.array(mesh.labels, dtype=np.int64)
    proven = replace(
        part,
        vertices=np.array([(x / w, y / w) for x, y, w in mesh.vertices]),
        edges=np.array(mesh.edges, dtype=np.int64),
        edge_regions=np.array(mesh.edge_regions, dtype=np.int64),
        edge_layer=labels[:, 0].copy(),
        edge_unit=labels[:, 1].copy(),
        region_vertices=np.concatenate([np.array(loop, dtype=np.int64) for loop in mesh.loops]),
        region_edges=np.concatenate([np.array(loop, dtype=np.int64) for loop in mesh.loop_edges]),
        region_offsets=np.cumsum([0, *map(len, mesh.loops)]),
        certificate=replace(part.certificate, proven=True),
    )
    # The exact maps stand where the cached properties look for them: a sliver may hold no float to evaluate at.
    maps = _rounded_maps(exact)
    vars(proven)["slope"], vars(proven)["offset"] = maps[:, :, :2].copy(), maps[:, :, 2].copy()
    for name in ("slope", "offset"):
        vars(proven)[name].setflags(write=False)
    return proven


def _rounded_maps(exact: RationalPartition) -> np.ndarray:
    """(R, out, 3) slopes and offsets: integers divide with correct rounding, however long they are."""
    try:
        return np.array([[[c / (1 << r.exponent) for c in row] for row in r.rows] for r in exact.regions])
    except OverflowError as error:
        raise NonFiniteError("the affine map of a region overflows: scale the weights down") from error
