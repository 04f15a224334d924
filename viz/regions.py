"""`RegionCollection`: all regions of a partition as one artist, drawn exactly and without seams."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import allow_rasterization
from matplotlib.backend_bases import RendererBase
from matplotlib.collections import Collection
from matplotlib.path import Path
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from splinegeo import Partition

from .raster import rasterise

# Vector formats: a hairline in the region's own colour closes the seams that viewers show between polygons.
_HAIRLINE = 0.15


class RegionCollection(Collection):
    """One polygon per region.

    On pixels (PNG, screens, videos) the colours are computed from the partition's edges at the resolution
    of the output, see `raster.rasterise`: a pixel shows the mean colour of what it covers, so that neither
    seams nor specks appear, in a time that hardly depends on the number of regions. In vector formats every
    region is a polygon.

    Like any collection it carries an array with one value per region, a norm and a colour map.
    """

    def __init__(self, part: Partition, **style: Any) -> None:
        options: dict[str, Any] = {"edgecolors": "face", "linewidths": _HAIRLINE} | style
        super().__init__(**options)
        self._part = part
        low, high = part.domain.window.min(axis=0), part.domain.window.max(axis=0)
        self._window = Bbox([low, high])
        self._polygons: list[Path] | None = None

    def get_paths(self) -> list[Path]:
        """One closed path per region, built when first asked for: pictures made of pixels never ask."""
        if self._polygons is None:
            part = self._part
            corners = np.split(part.vertices[part.region_vertices], part.region_offsets[1:-1])
            self._polygons = [Path(np.concatenate([c, c[:1]]), closed=True) for c in corners]
        return self._polygons

    def get_datalim(self, transData: Any) -> Bbox:
        """The window, without a look at every polygon."""
        return self._window

    @allow_rasterization
    def draw(self, renderer: RendererBase) -> None:
        """Draw as pixels where the renderer has pixels, as polygons elsewhere."""
        transform = self.get_transform()
        straight = transform.is_affine and not np.any(transform.get_matrix()[:2, :2][~np.eye(2, dtype=bool)])
        if not (hasattr(renderer, "buffer_rgba") and straight):
            super().draw(renderer)
        elif self.get_visible():
            self.update_scalarmappable()
            self._draw_pixels(renderer, transform.get_matrix())
            self.stale = False

    def _draw_pixels(self, renderer: RendererBase, matrix: NDArray[np.float64]) -> None:
        box = self._visible_box(renderer)
        if box is None:
            return
        x0, y0, x1, y1 = box
        pixel = self._part.vertices @ matrix[:2, :2].T + matrix[:2, 2] - (x0, y0)
        start, end = pixel[self._part.edges[:, 0]], pixel[self._part.edges[:, 1]]
        left, right = self._premultiplied()[self._part.edge_regions.T]
        if matrix[0, 0] * matrix[1, 1] < 0:  # one axis is inverted: what was on the left is on the right
            left, right = right, left
        image = rasterise(start, end, left, right, x1 - x0, y1 - y0)
        gc = renderer.new_gc()
        self._set_gc_clip(gc)  # type: ignore[attr-defined]
        renderer.draw_image(gc, x0, y0, _straight_bytes(image))
        gc.restore()

    def _visible_box(self, renderer: RendererBase) -> tuple[int, int, int, int] | None:
        """Whole pixels (x0, y0, x1, y1) that can show something: in the window, the axes and the canvas."""
        shown = self._window.transformed(self.get_transform())
        width, height = renderer.get_canvas_width_height()
        canvas = Bbox.from_extents(0, 0, width, height)
        for other in (canvas, self.get_clip_box() or canvas):
            common = Bbox.intersection(shown, other)
            if common is None:
                return None
            shown = common
        low, high = np.floor(shown.min).astype(int), np.ceil(shown.max).astype(int)
        return (int(low[0]), int(low[1]), int(high[0]), int(high[1])) if (high > low).all() else None

    def _premultiplied(self) -> NDArray[np.float64]:
        """(R + 1, 4) colour of each region times its opacity; the last row is the outside, index -1."""
        colours = np.zeros((self._part.n_regions + 1, 4))
        colours[:-1] = self.get_facecolor()
        colours[:, :3] *= colours[:, 3:]
        return colours


def _straight_bytes(premultiplied: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(h, w, 4) bytes with the opacity divided out again, as renderers want them."""
    opacity = premultiplied[..., 3:]
    colour = premultiplied[..., :3] / np.where(opacity > 1e-6, opacity, 1)
    straight = np.concatenate([colour, opacity], axis=2)
    return np.ascontiguousarray(np.rint(255 * np.clip(straight, 0, 1)).astype(np.uint8))
