"""`explore`: a widget for notebooks; `source_of`: what it and the server look at."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import splinegeo as sg
from splinegeo import InvalidInputError, Partition, Slice

from ..curves import Curves
from .answers import Source
from .planes import Planes
from .sharing import marked
from .sources import Live, Recorded, Setting
from .timeline import Timeline

NO_NETWORK = "These partitions hold no network: pan and zoom show what is there, and compute nothing."


def explore(
    model: nn.Module | sg.Network | Partition | Sequence[Partition],
    domain: Slice | None = None,
    *,
    states: Iterable[Mapping[str, Tensor]] | None = None,
    until: str | None = None,
    data: Any = None,
    labels: Sequence[object] | None = None,
    data_anchors: Sequence[int] | None = None,
    anchors: Any = None,
    anchor_labels: Sequence[object] | None = None,
    title: str | None = None,
    titles: Sequence[str] | None = None,
    steps: Sequence[float] | None = None,
    curves: Curves | None = None,
    panels: Mapping[str, Curves] | None = None,
    color: str = "slope_norm",
    class_names: Sequence[object] | None = None,
    max_regions: int = 500_000,
    height: int = 620,
) -> Any:
    """A widget in which a slice can be looked around in: every view is the exact partition, computed anew.

    Pan, zoom (to 1e-9 of the first view) and turn the picture; tilt the plane, or put other data points in the place
    of its anchors; go through checkpoints; colour by slope norm, class, layer of birth, area or edge density; see the
    values under the cursor, and click for the input, the outputs and the local complexity there. It needs the package
    anywidget (``pip install 'splinegeo[explore]'``) and runs in Jupyter, VS Code and Colab; `splinegeo explore` shows
    the same in a browser without a notebook.

    Parameters
    ----------
    model : nn.Module, Network, Partition, or sequence of Partition
        Partitions hold no network: pan and zoom then show what is there.
    domain : Slice
        The first view is the bounding square of its window.
    states : iterable of state dicts, optional
        Checkpoints of the model; by default its own weights.
    until : str, optional
        As in `compute_partition`.
    data, labels : (n, *input_shape) and n names, optional
        Inputs that the plane can be put through.
    data_anchors : three indices, optional
        Of the data points that the first plane goes through; then `domain` may be left out.
    anchors, anchor_labels : optional
        Inputs to mark on the slice, and what to write beside them.
    title, titles, steps, curves, panels, color, class_names
        As in `write_html`.
    max_regions : int
        Views that would have more regions are refused in words, before they are computed; 500 000 by default.
    height : of the widget, in pixels of the page

    Returns
    -------
    ExplorerWidget
        With the traits `view`, `checkpoint` and `selected`, which can be read, watched (``observe``) and set.

    Raises
    ------
    InvalidInputError
        If anywidget is not installed, or the arguments do not fit one another.
    NotPiecewiseAffineError, CaptureError
        As in `compute_partition`.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> widget = viz.explore(model, sg.Slice.box((-1, 1), (-1, 1)))  # doctest: +SKIP
    >>> widget.view = {"centre": [0.5, 0.5], "size": 0.01, "angle": 0.0}  # doctest: +SKIP
    """
    source = source_of(
        model,
        domain,
        states=states,
        until=until,
        data=data,
        labels=labels,
        data_anchors=data_anchors,
        anchors=anchors,
        anchor_labels=anchor_labels,
        title=title,
        titles=titles,
        steps=steps,
        curves=curves,
        panels=panels,
        color=color,
        class_names=class_names,
        max_regions=max_regions,
    )
    try:
        widgets = importlib.import_module("splinegeo.viz.explorer.widget")
    except ImportError as error:
        message = "the widget needs anywidget, which is not installed: pip install 'splinegeo[explore]'"
        raise InvalidInputError(message) from error
    return widgets.ExplorerWidget(source, height)


def source_of(
    model: nn.Module | sg.Network | Partition | Sequence[Partition],
    domain: Slice | None = None,
    *,
    states: Iterable[Mapping[str, Tensor]] | None = None,
    until: str | None = None,
    data: Any = None,
    labels: Sequence[object] | None = None,
    data_anchors: Sequence[int] | None = None,
    anchors: Any = None,
    anchor_labels: Sequence[object] | None = None,
    title: str | None = None,
    titles: Sequence[str] | None = None,
    steps: Sequence[float] | None = None,
    curves: Curves | None = None,
    panels: Mapping[str, Curves] | None = None,
    color: str = "slope_norm",
    class_names: Sequence[object] | None = None,
    max_regions: int = 500_000,
) -> Source:
    """What `explore` looks at; see there for the parameters."""
    names = None if class_names is None else tuple(map(str, class_names))
    if not isinstance(model, nn.Module | sg.Network):
        parts = [model] if isinstance(model, Partition) else list(model)
        if not parts or not all(isinstance(part, Partition) for part in parts):
            raise InvalidInputError("explore takes a torch.nn.Module, a Network, a Partition, or several of them")
        timeline = Timeline.of(len(parts), titles, steps, curves, panels)
        points = marked(anchors, anchor_labels)
        return Recorded(parts, Setting(title or "Spline partition", timeline, (NO_NETWORK,), color, names, *points))
    points_of_data = _inputs(data)
    if domain is None and data_anchors is not None:
        domain = Slice.through(*_shaped(data)[list(data_anchors)])
    if domain is None:
        raise InvalidInputError("say where to look first: domain, a Slice")
    if len(points_of_data) and points_of_data.shape[1] != domain.origin.size:
        raise InvalidInputError(
            f"the data have {points_of_data.shape[1]} numbers each, the slice's inputs {domain.origin.size}"
        )
    if labels is not None and len(labels) != len(points_of_data):
        raise InvalidInputError(f"{len(labels)} labels for {len(points_of_data)} data points")
    found: list[Mapping[str, Tensor] | None] = [None] if states is None else list(states)
    timeline = Timeline.of(len(found), titles, steps, curves, panels)
    setting = Setting(title or type(model).__name__, timeline, (), color, names, *marked(anchors, anchor_labels))
    return Live(
        model if isinstance(model, sg.Network) else sg.capture(model, domain, until=until),
        found,
        Planes.around(domain, points_of_data),
        setting,
        labels=labels,
        anchors=data_anchors,
        max_regions=max_regions,
    )


def _shaped(data: Any) -> np.ndarray:
    return np.asarray(data.detach().cpu() if isinstance(data, torch.Tensor) else data, dtype=np.float64)


def _inputs(data: Any) -> np.ndarray:
    if data is None:
        return np.zeros((0, 0))
    array = _shaped(data)
    return array.reshape(len(array), -1)
