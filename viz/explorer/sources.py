"""What an explorer looks at: a network that is asked anew for every view, or partitions that are there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import splinegeo as sg
from splinegeo import InvalidInputError, Partition, Slice

from .inputs import image_shape, pixels
from .palettes import palettes
from .planes import Planes, View, extent_of
from .scene import scene_of
from .timeline import Timeline
from .wire import Message

Floats = NDArray[np.float64]

_DEEPEST = 1e-9  # of the first view: below, coordinates themselves are rounding
_DEEPEST_RECORDED = 1e-4  # float32 positions of a whole partition are a tenth of a pixel apart there
_COMPLEXITY_RADIUS = 0.02  # of the first view's size
_TILES = 9  # sampled before a view that nobody has counted yet
_TILE = 1 / 40  # their size, as a share of the view's


COLORS = ("slope_norm", "class", "layer", "area", "complexity")


@dataclass(frozen=True)
class Setting:
    """What every source says about itself beside its partitions.

    Attributes
    ----------
    title, notes : what stands above the side panel
    timeline : the checkpoints and what runs beside them
    color : name of the quantity that is shown first
    class_names : of the outputs; their numbers by default
    points, point_labels : inputs (k, D) to mark where the plane goes through them
    """

    title: str
    timeline: Timeline
    notes: tuple[str, ...] = ()
    color: str = "slope_norm"
    class_names: tuple[str, ...] | None = None
    points: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    point_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.color not in COLORS:
            raise InvalidInputError(f"color={self.color!r} is not known: choose one of {', '.join(COLORS)}")

    def about(self, first: Slice, layers: Sequence[str], unit_shapes: Sequence[Any], n_outputs: int) -> Message:
        """The part of the description that live and recorded sources share."""
        names = self._classes(n_outputs)
        header = {
            "title": self.title,
            "notes": list(self.notes),
            "color": self.color,
            "layers": list(layers),
            "unit_shapes": [list(shape) for shape in unit_shapes],
            "classes": names,
            "view": View.home(first).description(),
            **self.timeline.description(),
        }
        return header, palettes(len(names), len(layers))

    def _classes(self, n_outputs: int) -> list[str]:
        n = 2 if n_outputs == 1 else n_outputs
        if self.class_names is None:
            return ["negative", "positive"] if n_outputs == 1 else [str(label) for label in range(n_outputs)]
        if n_outputs and len(self.class_names) != n:
            raise InvalidInputError(f"{len(self.class_names)} class names for {n} classes")
        return list(self.class_names)

    def markers(self, plane: Slice) -> list[dict[str, Any]]:
        """The marked inputs that the plane goes through."""
        if not len(self.points):
            return []
        u = plane.project(self.points)
        away = np.linalg.norm(self.points - plane.origin - u @ plane.basis.T, axis=1)
        reach = float(np.ptp(plane.window, axis=0).max())
        pairs = zip(u.tolist(), self.point_labels, away.tolist(), strict=True)
        return [{"at": at, "label": label} for at, label, distance in pairs if distance <= 1e-6 * reach]


@dataclass(frozen=True)
class Recorded:
    """Partitions without a network: every checkpoint is shown as it is; pan and zoom compute nothing."""

    partitions: Sequence[Partition]
    setting: Setting

    def about(self) -> Message:
        """What there is to see."""
        first = self.partitions[0]
        n_outputs = max(map(_n_outputs, self.partitions))
        header, arrays = self.setting.about(first.domain, first.layer_names, first.unit_shapes, n_outputs)
        header |= {"live": False, "deepest": _DEEPEST_RECORDED, "tilts": 0, "data": 0, "anchors": None, "probe": False}
        return header, arrays

    def scene(self, asked: Mapping[str, Any]) -> Message:
        """The whole partition of a checkpoint, whatever the view."""
        part = self.partitions[index_of(asked.get("checkpoint"), len(self.partitions))]
        header, arrays = scene_of(part)
        view = View.home(part.domain).description()
        return {**header, "view": view, "markers": self.setting.markers(part.domain)}, arrays

    def probe(self, asked: Mapping[str, Any]) -> Message:
        """Refused: there is no network to ask."""
        raise InvalidInputError("partitions hold no network: nothing can be computed")

    data = probe


class Live:
    """A network, whose partition is computed anew for every view of every plane at every checkpoint.

    It is captured once; a checkpoint binds its weights when it is first looked at.

    Parameters
    ----------
    network : Network
    states : state dicts of the checkpoints; None for the network's own weights
    planes : where one can look
    labels : of the data points that the planes can go through; None if they have none
    anchors : indices of the three data points that the first plane goes through, if it goes through some
    max_regions : views that would have more are refused
    """

    def __init__(
        self,
        network: sg.Network,
        states: Sequence[Mapping[str, Tensor] | None],
        planes: Planes,
        setting: Setting,
        *,
        labels: Sequence[object] | None = None,
        anchors: Sequence[int] | None = None,
        max_regions: int = 500_000,
    ) -> None:
        self.states, self.planes, self.setting = states, planes, setting
        self.labels, self.anchors, self.max_regions = labels, anchors, max_regions
        self._network = network
        self._at: Callable[[int], sg.Network] = lru_cache(maxsize=4)(self._bound)
        self._turn = Lock()  # two windows of one server take turns
        self._densities: dict[int, float] = {}

    def about(self) -> Message:
        """What there is to see."""
        network, first = self._network, self.planes.first
        n_outputs = network(first.embed([[0.0, 0.0]])).numel()
        header, arrays = self.setting.about(first, network.layer_names, network.unit_shapes, n_outputs)
        header |= {
            "live": True,
            "deepest": _DEEPEST,
            "tilts": self.planes.n_tilts,
            "data": len(self.planes.data),
            "anchors": None if self.anchors is None else list(self.anchors),
            "probe": True,
        }
        return header, arrays

    def scene(self, asked: Mapping[str, Any]) -> Message:
        """The exact partition of what is seen."""
        checkpoint = index_of(asked.get("checkpoint"), len(self.states))
        plane = self.planes.plane(asked.get("plane"))
        view = View.home(plane) if asked.get("view") is None else View.of(asked["view"])
        width, height = extent_of(asked.get("window"))
        scale = view.size / min(width, height)
        domain = view.window(plane, (width * scale, height * scale))
        with self._turn:
            self._refuse_too_many(checkpoint, domain)
            part = self._partition(checkpoint, domain)
            self._densities[checkpoint] = part.n_regions / part.areas.sum()
            header, arrays = scene_of(part)
        markers = self.setting.markers(plane) if asked["plane"].get("anchors") is None else self._marked(asked, plane)
        return {**header, "view": view.description(), "markers": markers}, arrays

    def probe(self, asked: Mapping[str, Any]) -> Message:
        """The input at a point of the plane, the outputs and the local complexity there."""
        checkpoint = index_of(asked.get("checkpoint"), len(self.states))
        plane = self.planes.plane(asked.get("plane"))
        at = View.of({"centre": asked.get("at"), "size": 1.0}).centre
        x = plane.embed([at])
        radius, dim = _COMPLEXITY_RADIUS * View.home(self.planes.first).size, min(25, plane.origin.size)
        with self._turn, torch.no_grad():
            network = self._at(checkpoint)
            output = network(x).reshape(-1)
            counted = sg.local_complexity(network, x, radius=radius, dim=dim)
        header = {
            "outputs": output.tolist(),
            "complexity": {
                "total": int(counted.total[0]),
                "layers": counted.counts[0].tolist(),
                "radius": radius,
                "dim": dim,
            },
        }
        shape = image_shape(plane.input_shape)
        if shape is None:
            return {**header, "input": x.reshape(-1)[:16].tolist()}, {}
        return {**header, "shape": list(shape)}, {"pixels": pixels(x.reshape(1, -1).numpy(), plane.input_shape)}

    def data(self, asked: Mapping[str, Any]) -> Message:
        """Thumbnails and labels of data points."""
        chosen = self.planes.chosen(asked.get("indices"), 100)
        labels = None if self.labels is None else [str(self.labels[i]) for i in chosen]
        shape = image_shape(self.planes.first.input_shape)
        if shape is None:
            return {"labels": labels, "shape": None}, {}
        thumbs = pixels(self.planes.data[chosen], self.planes.first.input_shape)
        return {"labels": labels, "shape": list(shape)}, {"pixels": thumbs}

    def _marked(self, asked: Mapping[str, Any], plane: Slice) -> list[dict[str, Any]]:
        chosen = self.planes.chosen(asked["plane"]["anchors"], 3)
        names = [str(i) if self.labels is None else str(self.labels[i]) for i in chosen]
        return replace(self.setting, points=self.planes.data[chosen], point_labels=tuple(names)).markers(plane)

    def _partition(self, checkpoint: int, domain: Slice) -> Partition:
        return sg.compute_partition(self._at(checkpoint), domain)

    def _bound(self, checkpoint: int) -> sg.Network:
        state = self.states[checkpoint]
        return self._network if state is None else self._network.bind(state)

    def _refuse_too_many(self, checkpoint: int, domain: Slice) -> None:
        """Refuse a view that would have too many regions, before they are computed.

        Their number is that of the crossings. Where the last view at this checkpoint leaves doubt, or there was none,
        it is estimated from the crossings in nine small tiles of the window.
        """
        area = View.home(domain).size ** 2
        known = self._densities.get(checkpoint)
        if known is not None and 10 * known * area < self.max_regions:
            return
        rng = np.random.default_rng(0)
        corners = domain.window
        places = corners.mean(axis=0) + (
            rng.dirichlet(np.ones(len(corners)), _TILES) @ (corners - corners.mean(axis=0))
        )
        tiles = [replace(domain, window=place + _TILE * (corners - corners.mean(axis=0))) for place in places]
        parts = sg.compute_partitions(self._at(checkpoint), tiles)
        estimate = float(np.mean([_n_crossings(part) for part in parts])) / _TILE**2
        if estimate > self.max_regions:
            raise InvalidInputError(
                f"this view would have about {estimate:.1g} regions, more than max_regions={self.max_regions:,}: "
                "zoom in, or allow more"
            )


def _n_crossings(part: Partition) -> int:
    """Vertices inside the window."""
    border = np.unique(part.edges[part.edge_layer < 0])
    return part.n_vertices - len(border)


def _n_outputs(part: Partition) -> int:
    """Of the network; 0 for a partition that was saved without maps."""
    if part.function is not None:
        return part.function(part.vertices[:1]).shape[1]
    return int(part.slope.shape[1]) if "slope" in vars(part) else 0


def index_of(given: Any, n: int) -> int:
    """The number of a checkpoint, checked."""
    if type(given) is not int or not 0 <= given < n:
        raise InvalidInputError(f"checkpoint {given!r} is none of 0 to {n - 1}")
    return given
