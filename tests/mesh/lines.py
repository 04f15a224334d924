"""Windows cut by lines, in either kind of arrays that a subdivision is made of."""

from dataclasses import replace

import numpy as np
import torch

from splinegeo import mesh as package
from splinegeo.mesh import BORDER, Subdivision, decide_signs, on_host
from splinegeo.tolerance import Tolerance

TOLERANCE = Tolerance.of(torch.float64)
KINDS = {"numpy": np.array, "torch": lambda x: torch.from_numpy(np.array(x))}
_kind = KINDS["numpy"]


def use(name):
    """From here on arrays are of this kind."""
    global _kind
    _kind = KINDS[name]


def array(x):
    """Numbers or a list of them as an array of the kind in use."""
    return _kind(np.asarray(x))


def windows(polygons):
    """One window for each polygon (N, 2)."""
    return package.windows([array(polygon) for polygon in polygons])


def square(half_width, centre=0.0):
    return half_width * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) + centre


def refine(mesh, lines, layer=0):
    """Refine by lines (m, 3): ``a x + b y + c = 0``."""
    lines = array(np.asarray(lines, dtype=np.float64))
    z = mesh.vertices @ lines[:, :2].T + lines[:, 2]
    entered = float(abs(mesh.vertices).max()) * abs(lines[:, :2]).sum(1) + abs(lines[:, 2])
    events = decide_signs(z, TOLERANCE.value * entered)
    return package.refine(mesh, events, array(np.arange(len(lines))), layer, TOLERANCE.length)


def cut(mesh, lines, layer=0):
    """The refined subdivision."""
    return refine(mesh, lines, layer).mesh


def host(mesh):
    """The subdivision in NumPy arrays."""
    return replace(mesh, **{name: on_host(values) for name, values in vars(mesh).items()})


def counts(mesh):
    return len(mesh.vertices), len(mesh.edges), mesh.n_regions


def areas(mesh: Subdivision):
    """(R,) areas of the regions, ascending."""
    mesh = host(mesh)
    p = mesh.vertices[mesh.loop_vertices()]
    q = p[mesh.next_slot()]
    cross = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    return np.sort(np.bincount(mesh.loop_regions(), weights=cross / 2, minlength=mesh.n_regions))


def assert_sound(mesh, n_windows=1, area=None):
    """Euler's formula, positive areas, two regions at every inner edge and one at every edge of the border."""
    v, e, f = counts(mesh)
    assert v - e + f == n_windows
    mesh = host(mesh)
    assert areas(mesh)[0] > 0
    if area is not None:
        assert abs(areas(mesh).sum() - area) < 1e-9
    regions, inner = mesh.edge_regions(), mesh.edge_layer != BORDER
    assert (regions[inner] >= 0).all()
    assert ((regions[~inner] >= 0).sum(1) == 1).all()
    sides = np.bincount(mesh.loops, minlength=2 * len(mesh.edges)).reshape(-1, 2).sum(1)
    np.testing.assert_array_equal(sides, np.where(inner, 2, 1))
