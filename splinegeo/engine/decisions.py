"""Keeping the books: which decisions were made within rounding, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..mesh import Array, EventTable, Refinement, Subdivision, on_host, positions
from ..partition import CLOSE_DECISION, Certificate, Frame
from ..tolerance import Tolerance


class Book(Protocol):
    """Whoever wants to know what happens at each refinement."""

    def record(self, before: Subdivision, events: EventTable, refinement: Refinement, units: Array, layer: int) -> None:
        """One refinement of `before` by events, which belong to `units` (m,) of a layer."""
        ...


@dataclass
class Decisions:
    """Collects the close decisions of a walk; afterwards every window gets its own `Certificate`."""

    tolerance: Tolerance
    smallest_margin: float = math.inf
    _zeros: list[tuple[Array, Array]] = field(default_factory=list)
    _found: list[tuple[Array, Array, int, Array, bool]] = field(default_factory=list)

    def record(self, before: Subdivision, events: EventTable, refinement: Refinement, units: Array, layer: int) -> None:
        """The decisions of one refinement of `before`."""
        self.note(min(events.smallest_margin, refinement.smallest_gap))
        zero = positions(events.n_zero)
        if len(zero):
            self.zeros(before.vertex_windows()[zero], events.n_zero[zero])
        for mesh, (vertex, event), merged in (
            (before, events.snapped, False),
            (refinement.mesh, (refinement.merged_vertex, refinement.merged_event), True),
        ):
            if len(vertex):
                self.close(mesh.vertex_windows()[vertex], mesh.vertices[vertex], layer, units[event], merged)

    def note(self, margin: float) -> None:
        """Some decision was made at a distance of so many tolerances, and none of its kind closer."""
        self.smallest_margin = min(self.smallest_margin, margin)

    def zeros(self, window: Array, count: Array) -> None:
        """So many values (n,) were decided to be zero at vertices in these windows (n,)."""
        if len(window):
            self._zeros.append((window, count))

    def close(self, window: Array, at: Array, layer: int, unit: Array, merged: bool) -> None:
        """Decisions (n,) within a tolerance: where in which window, and about which unit of a layer."""
        if len(window):
            self._found.append((window, at, layer, unit, merged))

    def certificates(self, frames: list[Frame]) -> list[Certificate]:
        """One certificate per window."""
        windows, close = self._gather()
        n_zero = np.zeros(len(frames), np.int64)
        for window, count in self._zeros:
            np.add.at(n_zero, on_host(window), on_host(count))
        certificates = []
        for k, frame in enumerate(frames):
            own = close[windows == k]
            own["u"] = frame.restore(own["u"])
            n_merged = int(own["merged"].sum())
            certificates.append(
                Certificate(
                    value_tolerance=self.tolerance.value,
                    length_tolerance=self.tolerance.length,
                    smallest_margin=self.smallest_margin,
                    n_zero=int(n_zero[k]),
                    n_snapped=len(own) - n_merged,
                    n_merged=n_merged,
                    close=own,
                )
            )
        return certificates

    def _gather(self) -> tuple[np.ndarray, np.ndarray]:
        """All close decisions, in normalised coordinates, and the window of each.

        Tiles are done in any order, and both tiles of a seam decide at its vertices: sorted, and each one once.
        """
        blocks, windows = [np.zeros(0, CLOSE_DECISION)], [np.zeros(0, np.int64)]
        for owner, position, layer, unit, merged in self._found:
            block = np.zeros(len(owner), CLOSE_DECISION)
            block["layer"], block["merged"] = layer, merged
            block["unit"] = on_host(unit)
            block["u"] = on_host(position)
            blocks.append(block)
            windows.append(on_host(owner))
        window, close = np.concatenate(windows), np.concatenate(blocks)
        order = np.lexsort((*close["u"].T, close["merged"], close["unit"], close["layer"], window))
        window, close = window[order], close[order]
        again = np.zeros(len(close), bool)
        again[1:] = (close[1:] == close[:-1]) & (window[1:] == window[:-1])
        return window[~again], close[~again]
