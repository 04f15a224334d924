"""`Partition`: the exact spline partition of one slice, a frozen record of read-only arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from os import PathLike
from typing import Any, Protocol

import networkx
import numpy as np
import shapely
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from ..errors import InvalidInputError
from ..given import real_array
from ..network import Captured
from ..records import Record
from ..slices import Slice
from . import files
from .certificate import Certificate
from .check import CheckReport, check_partition
from .description import KINDS
from .inscribed import chebyshev, half_planes
from .keyholes import keyhole_polygon
from .patterns import activation_pattern, network_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


ACTIVATION, LINEAR = KINDS

# Bytes of the affine maps that are computed at once.
_MAP_BYTES = 2**26

# What a partition without its network still knows of the affine maps.
_MAPS = ("slope", "offset", "_slope_norm")


class PlaneFunction(Protocol):
    """The network as a function of slice coordinates."""

    def __call__(self, u: Floats) -> Floats:
        """Outputs (n, out) at slice coordinates (n, 2)."""
        ...

    def affine_maps(self, u: Floats) -> tuple[Floats, Floats]:
        """Slope (n, out, 2) and offset (n, out) of the region around each of the points (n, 2)."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Partition(Record):
    """The regions of a slice on each of which the network is one affine map.

    They are convex *activation regions*, or, in the result of `linear_regions`, *linear regions*: unions of those.
    A linear region need not be convex and may have holes. Its loop is then joined by bridges: edges that it runs
    along twice, there and back, so that it stays one loop, whose shoelace area is the region's.

    Coordinates and lengths are slice coordinates throughout; the basis of a slice is orthonormal, so they are
    those of the input space.

    Attributes
    ----------
    domain : Slice
    vertices : (V, 2) float
    edges : (E, 2) int
        End vertices.
    edge_regions : (E, 2) int
        Region on the left and on the right of each edge; -1 outside the window. The same on both sides of a bridge.
    edge_layer, edge_unit : (E,) int
        Whose zero set the edge lies on: index into `layer_names`, and flat index of the unit in that layer; -1 on
        the window's border.
    region_vertices : (S,) int
        Counter-clockwise loops, region after region.
    region_edges : (S,) int
        Edge that leaves each vertex of the loops.
    region_offsets : (R + 1,) int
        Region r is ``region_vertices[region_offsets[r]:region_offsets[r + 1]]``.
    layer_names : names of the nonlinearities, in order of execution
    unit_shapes : shape of each nonlinearity's output, without the batch
    certificate : Certificate
    kind : "activation" or "linear"
        What the regions are.
    """

    domain: Slice
    vertices: Floats
    edges: Ints
    edge_regions: Ints
    edge_layer: Ints
    edge_unit: Ints
    region_vertices: Ints
    region_edges: Ints
    region_offsets: Ints
    layer_names: tuple[str, ...]
    unit_shapes: tuple[tuple[int, ...], ...]
    certificate: Certificate
    function: PlaneFunction | None = field(default=None, compare=False)
    kind: str = ACTIVATION

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __repr__(self) -> str:
        return f"Partition(n_regions={self.n_regions}, n_vertices={self.n_vertices}, n_edges={self.n_edges})"

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process is what `save` would write: the maps instead of the network."""
        state = {f.name: getattr(self, f.name) for f in fields(self)} | {"function": None}
        if self.function is not None:
            state |= {"slope": self.slope, "offset": self.offset}
        return state | {name: vars(self)[name] for name in _MAPS if name in vars(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.__post_init__()  # NumPy forgets on the way that arrays are read-only

    @property
    def n_regions(self) -> int:
        """Number of regions, R."""
        return len(self.region_offsets) - 1

    @property
    def n_vertices(self) -> int:
        """Number of vertices, V."""
        return len(self.vertices)

    @property
    def n_edges(self) -> int:
        """Number of edges, E."""
        return len(self.edges)

    @cached_property
    def inner_edges(self) -> Ints:
        """Indices of the edges between two regions: all but bridges and those on the window's border."""
        left, right = self.edge_regions.T
        return _read_only(np.flatnonzero((left >= 0) & (right >= 0) & (left != right)))

    @property
    def has_convex_regions(self) -> bool:
        """Whether every region is convex by construction, as activation regions are."""
        return self.kind == ACTIVATION

    def region(self, i: int) -> Floats:
        """Counter-clockwise corners (k, 2) of region `i`."""
        if not -self.n_regions <= i < self.n_regions:
            raise IndexError(f"region {i} of a partition with {self.n_regions} regions")
        i %= self.n_regions
        return self.vertices[self.region_vertices[self.region_offsets[i] : self.region_offsets[i + 1]]]

    @cached_property
    def areas(self) -> Floats:
        """(R,) area of each region."""
        return _read_only(self._areas_and_centroids[0])

    @cached_property
    def centroids(self) -> Floats:
        """(R, 2) centre of mass of each region."""
        return _read_only(self._areas_and_centroids[1])

    @cached_property
    def _areas_and_centroids(self) -> tuple[Floats, Floats]:
        corner = self.vertices[self.region_vertices]
        start = self.region_offsets[:-1]
        sizes = np.diff(self.region_offsets)
        mean = np.add.reduceat(corner, start) / sizes[:, None]
        p = corner - np.repeat(mean, sizes, axis=0)  # relative to each region: tiny regions lose no digits
        following = np.arange(1, len(p) + 1)
        following[self.region_offsets[1:] - 1] = start
        q = p[following]
        cross = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
        area = np.add.reduceat(cross, start) / 2
        moment = np.add.reduceat((p + q) * cross[:, None], start) / 6
        positive = np.where(area > 0, area, 1)
        shift = np.where((area > 0)[:, None], moment / positive[:, None], 0)
        # A sliver's quotient of two roundings may leave its own bounding box; the mean of its corners never does.
        reach = np.maximum.reduceat(np.abs(p), start)
        return area, mean + np.clip(shift, -reach, reach)

    @cached_property
    def interior_points(self) -> Floats:
        """(R, 2) a point inside each region: its centroid, unless the region need not be convex."""
        if self.has_convex_regions:
            return self.centroids
        return _read_only(shapely.get_coordinates(shapely.point_on_surface(self.to_shapely())))

    @property
    def has_maps(self) -> bool:
        """Whether the affine maps are known, or can be computed."""
        return self.function is not None or "slope" in vars(self)

    def affine_maps(self, regions: ArrayLike) -> tuple[Floats, Floats]:
        """Slope (n, out, 2) and offset (n, out) of some regions, without those of all others.

        `slope` and `offset` are those of all regions; once they were asked for, they are kept.
        """
        chosen = np.asarray(regions, dtype=np.int64).reshape(-1)
        if "slope" in vars(self) or "_affine_maps" in vars(self):
            return self.slope[chosen], self.offset[chosen]
        if self.function is None:
            raise InvalidInputError("this partition was saved without affine maps: save it with maps=True")
        return self.function.affine_maps(self.interior_points[chosen])

    def map_chunks(self, regions: ArrayLike | None = None) -> Iterator[Ints]:
        """Regions, by default all, in parts whose affine maps fit a fixed amount of memory, 64 MB.

        Examples
        --------
        >>> import torch, splinegeo as sg
        >>> part = sg.compute_partition(torch.nn.Linear(2, 3), sg.Slice.box((-1, 1), (-1, 1)))
        >>> [regions.tolist() for regions in part.map_chunks()]
        [[0]]
        """
        chosen = np.arange(self.n_regions) if regions is None else np.asarray(regions, dtype=np.int64).reshape(-1)
        step = max(1, _MAP_BYTES // (8 * self._map_width))
        for start in range(0, len(chosen), step):
            yield chosen[start : start + step]

    @cached_property
    def _map_width(self) -> int:
        """Numbers that the affine map of one region takes while it is computed: its value, slopes, a layer's three."""
        n_outputs = self.affine_maps([0])[1].shape[1]
        widest = max([n_outputs, *(int(np.prod(shape)) for shape in self.unit_shapes)])
        return 3 * n_outputs + 6 * widest

    @cached_property
    def _affine_maps(self) -> tuple[Floats, Floats]:
        parts = [self.affine_maps(regions) for regions in self.map_chunks()]
        if len(parts) == 1:
            return parts[0]
        slope = np.zeros((self.n_regions, *parts[0][0].shape[1:]))
        offset = np.zeros((self.n_regions, *parts[0][1].shape[1:]))
        end = self.n_regions
        while parts:  # a part is given back as soon as it has its place
            some = parts.pop()
            slope[end - len(some[0]) : end], offset[end - len(some[0]) : end] = some
            end -= len(some[0])
        return slope, offset

    @cached_property
    def slope(self) -> Floats:
        """(R, out, 2): on region r the output is ``slope[r] @ u + offset[r]``, in slice coordinates u."""
        return _read_only(self._affine_maps[0])

    @cached_property
    def offset(self) -> Floats:
        """(R, out): on region r the output is ``slope[r] @ u + offset[r]``, in slice coordinates u."""
        return _read_only(self._affine_maps[1])

    def slope_norm(self) -> Floats:
        """(R,) Frobenius norm of the slope of each region on the slice."""
        return self._slope_norm

    @cached_property
    def _slope_norm(self) -> Floats:
        chunks = (self.affine_maps(regions)[0] for regions in self.map_chunks())
        return _read_only(np.concatenate([np.linalg.norm(slope, axis=(1, 2)) for slope in chunks]))

    def input_slope_norm(self) -> Floats:
        """(R,) Frobenius norm of the derivative of all outputs by *all* inputs on each region, in input space.

        `slope_norm` is that of the slice's two directions alone, and never larger.

        Raises
        ------
        InvalidInputError
            If the partition does not know its network, as one that was loaded.
        """
        return self._input_slope_norm

    @cached_property
    def _input_slope_norm(self) -> Floats:
        return _read_only(network_of(self).input_slope_norms(self.domain.embed(self.interior_points)))

    def activation_pattern(self, region: int, layer: int | str) -> Ints:
        """The piece that every unit of a nonlinearity is on, all over one region.

        For a unit that bends at one level 1 above it and 0 otherwise: whether a ReLU is on. Where there are several
        levels, bit b says whether the unit is above level b; of a maximum, the number of the candidate that wins.

        Parameters
        ----------
        region : int
        layer : index into `layer_names`, or a name of them

        Returns
        -------
        int array of the layer's `unit_shapes`

        Raises
        ------
        InvalidInputError
            For another layer; if the partition does not know its network, as one that was loaded; for linear regions.

        Examples
        --------
        >>> import torch, splinegeo as sg
        >>> from splinegeo.testing import grid_lines, line_network
        >>> part = sg.compute_partition(line_network(grid_lines(1, 1)), sg.Slice.box((0, 1), (0, 1)))
        >>> part.activation_pattern(int(part.locate([0.9, 0.1])[0]), 0)  # right of the one line, below the other
        array([1, 0])
        """
        return activation_pattern(self, region, layer)

    def half_planes(self, region: int) -> tuple[Floats, Floats]:
        """One region as the points u of the slice with ``normal @ u <= level``.

        Returns
        -------
        normal : (k, 2) outward unit normals of the sides, counter-clockwise
        level : (k,)

        Raises
        ------
        InvalidInputError
            For linear regions, which need not be convex.

        Examples
        --------
        >>> import torch, splinegeo as sg
        >>> part = sg.compute_partition(torch.nn.Linear(2, 1), sg.Slice.box((0, 2), (0, 1)))
        >>> normal, level = part.half_planes(0)
        >>> (normal + 0.0).tolist(), level.tolist()
        ([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [0.0, 2.0, 1.0, 0.0])
        """
        return half_planes(self, region)

    def chebyshev(self) -> tuple[Floats, Floats]:
        """The largest disc in each region, by the linear program over its half-planes, for all regions at once.

        Returns
        -------
        centre : (R, 2) slice coordinates; in the middle of all that are possible, where there are several
        radius : (R,) in slice coordinates: no smaller perturbation within the plane leaves the region from its centre

        Raises
        ------
        InvalidInputError
            For linear regions, which need not be convex.

        References
        ----------
        S. Boyd, L. Vandenberghe, Convex Optimization, 2004, section 4.3.1.

        Examples
        --------
        >>> import torch, splinegeo as sg
        >>> part = sg.compute_partition(torch.nn.Linear(2, 1), sg.Slice.box((0, 2), (0, 1)))
        >>> centre, radius = part.chebyshev()
        >>> centre.round(6).tolist(), radius.round(9).tolist()
        ([[1.0, 0.5]], [0.5])
        """
        return self._discs

    @cached_property
    def _discs(self) -> tuple[Floats, Floats]:
        centre, radius = chebyshev(self)
        return _read_only(centre), _read_only(radius)

    def locate(self, u: ArrayLike) -> Ints:
        """Region index (n,) of each point (n, 2); -1 outside the window.

        A point on an edge belongs to the adjacent region with the lowest index.
        """
        points = real_array(u, "u").reshape(-1, 2)
        located = np.full(len(points), self.n_regions, dtype=np.int64)
        geometry = shapely.points(points)
        hit, region = self._tree.query(geometry, predicate="intersects")
        np.minimum.at(located, hit, region)
        lost = located == self.n_regions
        located[lost] = -1
        # Rounding may leave a point of the window between two regions: the nearest one holds it.
        somewhere = np.flatnonzero(lost & np.isfinite(points).all(axis=1))
        inside = somewhere[shapely.intersects(shapely.Polygon(self.domain.window), geometry[somewhere])]
        if len(inside):
            located[inside] = self._tree.nearest(geometry[inside])
        return located

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.to_shapely())

    def evaluate(self, u: ArrayLike) -> Floats:
        """The network's output (n, out) at slice coordinates (n, 2), from the affine maps; NaN outside.

        The maps are those of the regions that hold a point: one point asks for one map.
        """
        points = real_array(u, "u").reshape(-1, 2)
        region = self.locate(points)
        order = np.argsort(region, kind="stable")
        order = order[np.searchsorted(region[order], 0) :]  # those outside come first
        held, first = np.unique(region[order], return_index=True)
        values: Floats | None = None
        for some in self.map_chunks(held if len(held) else [0]):
            slope, offset = self.affine_maps(some)
            if values is None:
                values = np.full((len(points), offset.shape[1]), np.nan)
            start, stop = np.searchsorted(held, [some[0], some[-1] + 1])
            bounds = np.append(first, len(order))
            mine = order[bounds[start] : bounds[stop]] if len(held) else order
            at = np.searchsorted(some, region[mine])
            values[mine] = (slope[at] * points[mine, None]).sum(2) + offset[at]
        assert values is not None
        return values

    def check(self, model: nn.Module | Captured | None = None) -> CheckReport:
        """Derive again everything that must hold, and name what does not.

        Euler's formula, areas, convexity, loops against edges, continuity of the affine maps across edges, and
        agreement of the maps with the network at random interior points. A partition that was loaded from a file
        knows its network no more; pass `model` to compare with it.
        """
        return check_partition(self, model)

    def save(self, path: str | PathLike[str], *, maps: bool = True) -> None:
        """Write everything to one ``.npz`` file, without pickles; it appears whole or not at all.

        Parameters
        ----------
        path : the file; the suffix ``.npz`` is appended if it has none
        maps : whether to store `slope` and `offset`, which are the largest part of a partition with many outputs.
            Without them only `slope_norm` is kept.
        """
        files.save(self, path, maps=maps)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Partition:
        """Read a file that `save` wrote; raises `PartitionFileError` for anything else, and executes nothing."""
        stored = files.read(path)
        arrays, about = stored.arrays, stored.about
        record: dict[str, Any] = {name: arrays[name] for name in files.ARRAYS}
        part = cls(
            domain=stored.domain,
            layer_names=about.layer_names,
            unit_shapes=about.unit_shapes,
            certificate=stored.certificate,
            kind=about.kind,
            **record,
        )
        known = (("slope", "slope"), ("offset", "offset"), ("_slope_norm", "slope_norm"))
        return with_maps(part, **{name: arrays[key] for name, key in known if key in arrays})

    def to_shapely(self) -> NDArray[np.object_]:
        """(R,) array of shapely polygons, one per region; linear regions may have holes."""
        sizes = np.diff(self.region_offsets)
        # shapely wants closed rings: the first corner of each loop once more at its end
        closed = np.insert(
            self.region_vertices, self.region_offsets[1:], self.region_vertices[self.region_offsets[:-1]]
        )
        rings = shapely.linearrings(self.vertices[closed], indices=np.repeat(np.arange(self.n_regions), sizes + 1))
        polygons: NDArray[np.object_] = shapely.polygons(rings)
        for region in self._regions_with_repeats():
            loop = self.region_vertices[self.region_offsets[region] : self.region_offsets[region + 1]]
            polygons[region] = keyhole_polygon(loop, self.vertices)
        return polygons

    def _regions_with_repeats(self) -> Ints:
        """Regions whose loop comes to some vertex more than once: those with bridges, or that touch themselves."""
        if self.has_convex_regions:
            return np.zeros(0, dtype=np.int64)
        owner = np.repeat(np.arange(self.n_regions), np.diff(self.region_offsets))
        order = np.lexsort((self.region_vertices, owner))
        same = (np.diff(owner[order]) == 0) & (np.diff(self.region_vertices[order]) == 0)
        return np.unique(owner[order][1:][same])

    def to_networkx(self) -> networkx.Graph[int]:
        """Adjacency graph: nodes are regions; edge data are layer, unit and length of the shared edge.

        Linear regions may share several edges: the length is that of all, layer and unit those of the longest.
        """
        graph: Any = networkx.Graph()
        graph.add_nodes_from(range(self.n_regions))
        inner, length = self._shared_edges()
        left, right = self.edge_regions[inner].T.tolist()
        labels = zip(self.edge_layer[inner].tolist(), self.edge_unit[inner].tolist(), length.tolist(), strict=True)
        graph.add_edges_from(
            (a, b, {"layer": layer, "unit": unit, "length": size})
            for a, b, (layer, unit, size) in zip(left, right, labels, strict=True)
        )
        return graph

    def _shared_edges(self) -> tuple[Ints, Floats]:
        """One edge for each pair of neighbours, the longest they share, and the length of all that they share."""
        inner = self.inner_edges
        length = np.linalg.norm(np.diff(self.vertices[self.edges[inner]], axis=1)[:, 0], axis=1)
        if self.has_convex_regions:  # they share one
            return inner, length
        order = np.argsort(-length, kind="stable")
        pairs = np.sort(self.edge_regions[inner[order]], axis=1)
        _, first, pair = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
        total = np.bincount(pair.reshape(-1), weights=length[order]).astype(np.float64)
        return inner[order[first]], total

    def unit_of_edge(self, edge: int) -> tuple[str, tuple[int, ...]]:
        """The unit whose zero set an edge lies on: module path, and index into the layer's output.

        For a convolution the index is (channel, row, column). Border edges belong to no unit: `InvalidInputError`.
        """
        layer = int(self.edge_layer[edge])
        if layer < 0:
            raise InvalidInputError(f"edge {edge} lies on the window's border, not on a unit's zero set")
        index = np.unravel_index(int(self.edge_unit[edge]), self.unit_shapes[layer])
        return self.layer_names[layer], tuple(int(i) for i in index)


def with_maps(part: Partition, **maps: Floats) -> Partition:
    """The same record, told the affine maps that it would otherwise ask its network for: slope, offset, _slope_norm."""
    for name, array in maps.items():
        vars(part)[name] = _read_only(array)  # where the cached properties look first
    return part


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def as_numpy(tensor: torch.Tensor) -> NDArray[Any]:
    """A tensor as a NumPy array on the host."""
    return tensor.detach().cpu().numpy()
