"""Between which values an affine combination of columns lies on each tile, without a look at its vertices.

On each page every column of the basis is an affine function of the plane plus a rest, of which the range over the page
is known. A combination is then bounded page by page by three numbers and a product with absolute values; the tile's
bounds are the extremes over its pages. Each column's fit is made once, when the column is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...chunks import rows_at_once
from .pages import by_tile

_SAMPLES = 9  # vertices of a page that a fit goes through


@dataclass(frozen=True)
class Fits:
    """Affine fits of K columns on g pages.

    Attributes
    ----------
    middle, radius : (g, 2) of each page's bounding box
    fit : (g, 3, K) value in the middle of the box, in the middle of the rest; change over a radius along x, and along y
    rest : (g, K) half the range of what the fit leaves
    """

    middle: Tensor
    radius: Tensor
    fit: Tensor
    rest: Tensor

    @classmethod
    def of(cls, xy: Tensor, columns: Tensor) -> Fits:
        """Fits of columns (g, p, K) on pages with vertices (g, p, 2)."""
        low, high = xy.amin(1), xy.amax(1)
        tiny = torch.finfo(xy.dtype).tiny
        empty = columns.new_zeros(len(xy), 3, 0)
        return cls((low + high) / 2, (high - low) / 2 + tiny, empty, empty[:, 0]).with_columns(xy, columns)

    def with_columns(self, xy: Tensor, columns: Tensor) -> Fits:
        """With more columns (g, p, k)."""
        if not columns.shape[2]:
            return self
        fit, rest = [], []
        step = rows_at_once(columns, columns.shape[1] * (columns.shape[2] + 3))
        for start in range(0, len(xy), step):
            pages = slice(start, start + step)
            some = self._fitted(xy[pages], columns[pages], pages)
            fit.append(some[0])
            rest.append(some[1])
        return replace(
            self, fit=torch.cat([self.fit, torch.cat(fit)], 2), rest=torch.cat([self.rest, torch.cat(rest)], 1)
        )

    def _fitted(self, xy: Tensor, columns: Tensor, pages: slice) -> tuple[Tensor, Tensor]:
        x = torch.ones(*xy.shape[:2], 3, dtype=xy.dtype, device=xy.device)
        torch.sub(xy, self.middle[pages, None], out=x[:, :, 1:])
        x[:, :, 1:] /= self.radius[pages, None]
        sample = torch.arange(_SAMPLES, device=xy.device) * (xy.shape[1] - 1) // (_SAMPLES - 1)
        some = x[:, sample]
        transposed = some.transpose(1, 2)
        # All samples may lie on one line: the ridge then chooses among the fits that are as good.
        normal = transposed @ some + 1e-6 * torch.eye(3, dtype=xy.dtype, device=xy.device)
        fit = torch.linalg.solve(normal, transposed @ columns[:, sample])
        rest = torch.baddbmm(columns, x, fit, alpha=-1)
        low, high = rest.amin(1), rest.amax(1)
        fit[:, 0] += (low + high) / 2
        return fit, (high - low) / 2

    def joined(self, more: Fits) -> Fits:
        """Beside those of other pages."""
        return Fits(*(torch.cat([a, b]) for a, b in zip(vars(self).values(), vars(more).values(), strict=True)))


@dataclass(frozen=True)
class Planes:
    """Fits as rows that a basis is multiplied with, tile by tile.

    Attributes
    ----------
    rows : (T, 3 m, r) value, change along x, change along y, of m boxes of each of T tiles
    rest : (T, m, r - 3)
    """

    rows: Tensor
    rest: Tensor

    @classmethod
    def of(cls, fits: Fits, page_tile: Tensor, n_tiles: int) -> Planes:
        """One box a page."""
        pages = by_tile(page_tile, n_tiles)
        (t, m), k = pages.shape, fits.rest.shape[1]
        rows = fits.fit.new_zeros(t, 3, m, 3 + k)
        rows[:, 0, :, 0] = 1
        rows[:, 0, :, 1:3] = fits.middle[pages]
        rows[:, 1, :, 1] = fits.radius[pages][:, :, 0]
        rows[:, 2, :, 2] = fits.radius[pages][:, :, 1]
        rows[:, :, :, 3:] = fits.fit[pages].transpose(1, 2)
        return cls(rows.view(t, 3 * m, 3 + k), fits.rest[pages])

    def coarse(self) -> Planes:
        """One box a tile."""
        t, m = self.rest.shape[:2]
        rows = self.rows.view(t, 3, m, -1)
        middle = rows[:, 0, :, 1:3]
        reach = torch.stack([rows[:, 1, :, 1], rows[:, 2, :, 2]], 2)
        low, high = (middle - reach).amin(1), (middle + reach).amax(1)
        centre, radius = (low + high) / 2, (high - low) / 2
        place = (middle - centre[:, None]) / radius[:, None]
        x = torch.cat([torch.ones_like(place[:, :, :1]), place], 2)
        normal = x.transpose(1, 2) @ x + 1e-6 * torch.eye(3, dtype=x.dtype, device=x.device)
        fit = torch.linalg.solve(normal, x.transpose(1, 2) @ rows[:, 0, :, 3:])
        # What the tile's fit leaves of a page's fit is affine: extreme at the corners of the page's box.
        rest = rows[:, 0, :, 3:] - x @ fit
        scale = (reach / radius[:, None]).unsqueeze(3)
        tilt = sum((rows[:, i, :, 3:] - scale[:, :, i - 1] * fit[:, None, i]).abs() for i in (1, 2)) + self.rest
        low_rest, high_rest = (rest - tilt).amin(1), (rest + tilt).amax(1)
        whole = rows.new_zeros(t, 3, rows.shape[3])
        whole[:, 0, 0] = 1
        whole[:, 0, 1:3] = centre
        whole[:, 1, 1], whole[:, 2, 2] = radius.unbind(1)
        whole[:, :, 3:] = fit
        whole[:, 0, 3:] += (low_rest + high_rest) / 2
        return Planes(whole, ((high_rest - low_rest) / 2)[:, None])

    def bounds(self, basis: Tensor) -> tuple[Tensor, Tensor]:
        """Greatest and least values (T, U) that the units with a basis (T, r, U) can take on each tile."""
        t, r, n_units = basis.shape
        m = self.rest.shape[1]
        rows, rest = self.rows[:, :, :r], self.rest[:, :, : r - 3]
        upper, lower = basis.new_zeros(t, n_units), basis.new_zeros(t, n_units)
        step = rows_at_once(basis, 4 * t * (m + r))
        step = max(step, 64)
        for start in range(0, n_units, step):
            units = slice(start, start + step)
            some = basis[:, :, units]
            value, along_x, along_y = torch.bmm(rows, some).view(t, 3, m, -1).unbind(1)
            reach = along_x.abs_().add_(along_y.abs_())
            if r > 3:
                reach = torch.baddbmm(reach, rest, some[:, 3:].abs())
            upper[:, units] = (value + reach).amax(1)
            lower[:, units] = (value - reach).amin(1)
        return upper, lower
