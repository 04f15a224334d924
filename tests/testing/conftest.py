from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from splinegeo.rational.polygons import to_floats


def as_arrays(witness):
    """A rational partition in the public arrays of a `Partition`, so that the checkers can be tried on it."""
    exact = witness.subdivision
    sides = {}
    for region, loop in enumerate(exact.loops):
        for a, b in pairwise((*loop, loop[0])):
            sides.setdefault((min(a, b), max(a, b)), []).append(region)
    edge_regions = np.array([pair if len(pair) == 2 else (pair[0], -1) for pair in sides.values()])
    label = np.where(edge_regions[:, 1] < 0, -1, 0)
    maps = np.array([[[c / (1 << r.exponent) for c in row] for row in r.rows] for r in witness.regions])
    corners = np.array(to_floats(witness.window))
    polygons = [np.array(to_floats(r.polygon)) for r in witness.regions]
    return SimpleNamespace(
        domain=SimpleNamespace(window=corners, basis=np.eye(2), embed=torch.from_numpy),
        vertices=np.array([(x / w, y / w) for x, y, w in exact.vertices]),
        region_vertices=np.concatenate(exact.loops),
        region_offsets=np.cumsum([0, *map(len, exact.loops)]),
        edges=np.array(list(sides)),
        edge_regions=edge_regions,
        edge_layer=label.copy(),
        edge_unit=label.copy(),
        slope=maps[:, :, :2].copy(),
        offset=maps[:, :, 2].copy(),
        areas=np.array(witness.areas),
        centroids=np.array([polygon.mean(axis=0) for polygon in polygons]),
    )


@pytest.fixture(name="as_arrays")
def as_arrays_fixture():
    return as_arrays
