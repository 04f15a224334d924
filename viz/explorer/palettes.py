"""The colours of explorer and page, for all kinds of colour vision: as arrays, so that the page holds no copies."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Colormap, to_rgb
from numpy.typing import NDArray

from ..style import SLOPE, class_colours, layer_colours

Bytes = NDArray[np.uint8]

# Paul Tol's light scheme, which stays distinct for every kind of colour vision, and two greys of another lightness.
_CLASSES = (
    *("#77aadd", "#ee8866", "#eedd88", "#ffaabb", "#99ddff"),
    *("#44bb99", "#bbcc33", "#aaaa00", "#dddddd", "#8a8f99"),
)


def palettes(n_classes: int, n_layers: int) -> dict[str, Bytes]:
    """Rows of RGBA bytes by name."""
    many = n_classes > len(_CLASSES)
    classes = class_colours(n_classes).colors if many else [to_rgb(c) for c in _CLASSES[: max(1, n_classes)]]
    n = max(1, n_layers)
    return {
        "slope": _sampled(SLOPE),
        "area": _sampled(mpl.colormaps["viridis_r"]),
        "complexity": _sampled(mpl.colormaps["cividis"]),
        "class": _bytes(np.asarray(classes)),
        "layer": _bytes(np.asarray(layer_colours(n, light=True).colors)),
        "line": _bytes(np.asarray(layer_colours(n).colors)),
    }


def _sampled(cmap: Colormap) -> Bytes:
    return _bytes(cmap(np.linspace(0, 1, 256)))


def _bytes(colours: NDArray[np.float64]) -> Bytes:
    rgba = np.ones((len(colours), 4))
    rgba[:, :3] = colours[:, :3]
    return np.round(255 * rgba).astype(np.uint8)
