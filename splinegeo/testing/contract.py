"""The public arrays of a partition, as the checkers read them: whatever offers these can be checked."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch


class SliceLike(Protocol):
    """Where a partition looks."""

    @property
    def basis(self) -> np.ndarray:
        """``(D, 2)`` orthonormal columns."""

    @property
    def window(self) -> np.ndarray:
        """``(N, 2)`` corners, counter-clockwise."""

    def embed(self, u: np.ndarray, /) -> torch.Tensor:
        """``(n, 2)`` slice coordinates to ``(n, *input_shape)`` inputs."""


class PartitionLike(Protocol):
    """The subdivision, the cause of every edge, and the affine map of every region."""

    @property
    def domain(self) -> SliceLike:
        """The slice."""

    @property
    def vertices(self) -> np.ndarray:
        """``(V, 2)``."""

    @property
    def region_vertices(self) -> np.ndarray:
        """``(S,)`` counter-clockwise loops, one after the other."""

    @property
    def region_offsets(self) -> np.ndarray:
        """``(R + 1,)`` where each loop starts."""

    @property
    def edges(self) -> np.ndarray:
        """``(E, 2)`` vertices."""

    @property
    def edge_regions(self) -> np.ndarray:
        """``(E, 2)`` regions on the two sides; -1 outside the window."""

    @property
    def edge_layer(self) -> np.ndarray:
        """``(E,)`` nonlinearity whose unit made the edge; -1 on the window's border."""

    @property
    def edge_unit(self) -> np.ndarray:
        """``(E,)`` that unit."""

    @property
    def slope(self) -> np.ndarray:
        """``(R, out, 2)``."""

    @property
    def offset(self) -> np.ndarray:
        """``(R, out)``."""

    @property
    def areas(self) -> np.ndarray:
        """``(R,)``."""

    @property
    def centroids(self) -> np.ndarray:
        """``(R, 2)``."""
