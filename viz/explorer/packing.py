"""Frames of a shared page: a partition in about ten bytes for each region. `page/packed.js` unpacks them."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splinegeo import Partition

from .scene import geometry, values
from .wire import pack

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_STEPS = 65535  # of a position along the window: a pixel of a picture of 1 000 is 65 of them
_LEVELS = 65534  # of a slope norm between the smallest and the largest, on a logarithmic scale


def packed_frame(part: Partition) -> bytes:
    """One partition, compressed.

    Positions are rounded to 1/65535 of the window, slope norms to 16 bits on a logarithmic scale. Regions keep their
    numbers. Vertices and edges are renumbered in the order in which the loops come to them: most slots of a loop then
    say "a new vertex" or "the one a few numbers back", and an edge needs nothing but its unit, because its first slot
    makes it. Bytes of one kind stand together, which is how they compress best.
    """
    shapes, known = geometry(part), values(part)
    low, high = part.domain.window.min(axis=0), part.domain.window.max(axis=0)
    centre, extent = (low + high) / 2, float((high - low).max())
    vertex_order, codes = _walk(part.region_vertices)
    edge_order = _first_seen(part.region_edges)
    arrays: dict[str, NDArray[Any]] = {"sizes": shapes["sizes"].astype(np.uint16)}
    arrays |= _codes(codes)
    grid = np.round((part.vertices[vertex_order] - centre) / extent * _STEPS + _STEPS / 2).astype(np.int64)
    for name, column in zip("xy", grid.clip(0, _STEPS).T, strict=True):
        arrays |= _halves(name, np.diff(column, prepend=0))
    arrays["edge_layer"] = (part.edge_layer[edge_order] + 1).astype(np.uint8)
    arrays |= _halves("unit", np.maximum(part.edge_unit[edge_order], 0))
    header: dict[str, Any] = {
        "centre": centre.tolist(),
        "scale": extent / 2,
        "n_edges": part.n_edges,
    }
    if "slope_norm" in known:
        codes_of_slopes, header["slope_range"] = _levels(known["slope_norm"].astype(np.float64))
        arrays |= _halves("slope", codes_of_slopes)
    if "class" in known:
        arrays["class"] = known["class"].astype(np.uint16)
    if "boundary" in known:
        arrays["boundary"] = ((known["boundary"] - centre) / (extent / 2)).astype(np.float32)
    if "triangles" in shapes:
        arrays["triangles"] = shapes["triangles"]
    return gzip.compress(pack((header, arrays)), compresslevel=9, mtime=0)


def _first_seen(sequence: Ints) -> Ints:
    """The different numbers of a sequence in the order in which they first come."""
    numbers, first = np.unique(sequence, return_index=True)
    return numbers[np.argsort(first)]


def _walk(loops: Ints) -> tuple[Ints, Ints]:
    """Vertices in the order in which loops come to them, and for each slot 0 (new) or how many numbers back it goes."""
    order = _first_seen(loops)
    rank = np.zeros(int(loops.max()) + 1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    renumbered = rank[loops]
    seen = np.maximum.accumulate(renumbered)
    new = np.diff(seen, prepend=-1) > 0
    return order, np.where(new, 0, seen + 1 - renumbered)


def _codes(codes: Ints) -> dict[str, Bytes]:
    """One byte for each small code; 255 says that the next three bytes for it stand elsewhere, first bytes together."""
    far = codes[codes >= 255]
    threes = np.stack([far & 255, (far >> 8) & 255, far >> 16])
    return {"codes_low": np.minimum(codes, 255).astype(np.uint8), "codes_high": threes.reshape(-1).astype(np.uint8)}


def _halves(name: str, numbers: Ints) -> dict[str, Bytes]:
    """Low and high bytes of numbers modulo 2^16."""
    low, high = (numbers & 255).astype(np.uint8), ((numbers >> 8) & 255).astype(np.uint8)
    return {f"{name}_low": low, f"{name}_high": high}


def _levels(norms: NDArray[np.float64]) -> tuple[Ints, list[float]]:
    positive = norms[norms > 0]
    if not len(positive):
        return np.zeros(len(norms), dtype=np.int64), [1.0, 2.0]
    low, high = float(positive.min()), float(positive.max())
    high = high if high > low else 2 * low
    with np.errstate(divide="ignore"):
        level = np.log(norms / low) / np.log(high / low)
    return np.where(norms > 0, 1 + np.round(np.clip(level, 0, 1) * _LEVELS), 0).astype(np.int64), [low, high]
