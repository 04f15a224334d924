"""`write_html`: partitions as one page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from splinegeo import InvalidInputError, Partition, write_whole

from ..curves import Curves
from .module import page
from .packing import packed_frame
from .sources import Recorded, Setting
from .timeline import Timeline
from .wire import Message, pack

_START = 'start(document.getElementById("explorer"), pageHost(document)).then((it) => (window.splinegeo = it));'
_DEEPEST = 1 / 64  # of the window: positions of 1/65535 are a pixel apart there
_PLACE = "<!-- frames -->"


def write_html(
    partitions: Sequence[Partition],
    path: str | PathLike[str],
    *,
    title: str = "Spline partition",
    titles: Sequence[str] | None = None,
    steps: Sequence[float] | None = None,
    curves: Curves | None = None,
    panels: Mapping[str, Curves] | None = None,
    color: str = "slope_norm",
    class_names: Sequence[object] | None = None,
    anchors: Any = None,
    anchor_labels: Sequence[object] | None = None,
    notes: Sequence[str] = (),
    progress: bool = False,
) -> Path:
    """Write partitions as one HTML file that can be looked around in, without a server or a network connection.

    The page shows what the explorer shows of a partition: pan and zoom (up to 64 times), colour by slope norm, class,
    layer, area or edge density, lines by layer, the decision boundary, values under the cursor, PNG and SVG; a slider
    goes through the partitions, with curves beside it. Positions are rounded to 1/65535 of the window and slope norms
    to 16 bits; a region takes about ten bytes.

    Parameters
    ----------
    partitions : sequence of Partition
        In the order of the slider. Those saved without maps show no classes and no boundary.
    path : the file; it appears whole or not at all
    title : of the page
    titles, steps, curves, panels : as in `animate`
        What is said of each partition, its step, and curves over the steps.
    color : what colours mean at first: slope_norm, class, layer, area or complexity
    class_names : of the outputs, optional
        Their numbers by default.
    anchors, anchor_labels : optional
        Inputs to mark on the slice, and what to write beside them.
    notes : sentences that stand below the title
    progress : bool
        Show a bar, partition by partition.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInputError
        If there are no partitions, not as many titles or steps as partitions, curves without steps, or the file
        cannot be written.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> windows = [sg.Slice.box((-s, s), (-s, s)) for s in (1, 2, 4)]
    >>> viz.write_html(sg.compute_partitions(model, windows), "zoom.html")  # doctest: +SKIP
    PosixPath('zoom.html')
    """
    if not len(partitions):
        raise InvalidInputError("no partitions to write a page of")
    timeline = Timeline.of(len(partitions), titles, steps, curves, panels)
    setting = Setting(
        title,
        timeline,
        tuple(notes),
        color,
        None if class_names is None else tuple(map(str, class_names)),
        *marked(anchors, anchor_labels),
    )
    source = Recorded(partitions, setting)
    before, after = page(title, _START, content=_PLACE).split(_PLACE)

    def write(stream: IO[bytes]) -> None:
        stream.write(before.encode())
        stream.write(_block("about", pack(_about(source))))
        for frame in _frames(source, progress):
            stream.write(frame)
        stream.write(after.encode())

    return write_whole(path, write)


def marked(points: Any, labels: Sequence[object] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Inputs to mark as (k, D), and one label for each.

    Raises
    ------
    InvalidInputError
        If their numbers differ.
    """
    if points is None:
        return np.zeros((0, 0)), ()
    array = np.asarray(points, dtype=np.float64)
    array = array.reshape(len(array), -1)
    names = ["ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i % 26] for i in range(len(array))] if labels is None else list(labels)
    if len(names) != len(array):
        raise InvalidInputError(f"{len(names)} anchor_labels for {len(array)} anchors")
    return array, tuple(map(str, names))


def _about(source: Recorded) -> Message:
    header, arrays = source.about()
    markers = source.setting.markers(source.partitions[0].domain)
    return {**header, "deepest": _DEEPEST, "markers": markers}, arrays


def _frames(source: Recorded, progress: bool) -> Iterator[bytes]:
    shown: Iterable[Partition] = tqdm(source.partitions, disable=not progress, unit="frame")
    for k, part in enumerate(shown):
        yield _block(f"frame-{k}", packed_frame(part))


def _block(name: str, content: bytes) -> bytes:
    return b'<script type="text/plain" id="%s">%s</script>\n' % (name.encode(), base64.b64encode(content))
