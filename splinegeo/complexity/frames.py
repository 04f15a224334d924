"""Random orthonormal frames: the directions v₁ … v_P of one cross-polytope per point."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from splinegeo.errors import InvalidInputError

from ..ambient import own_settings
from .gaussians import Gaussians

# The Marchenko–Pastur edge describes matrices of some size; below it, luck may make one ill-conditioned.
_MANY_FEATURES = 128
# Numbers in all frames of one call: eight terabytes of them.
_MOST = 2**40


@own_settings()
def random_frames(
    n_points: int,
    n_features: int,
    dim: int,
    *,
    rng: int | torch.Generator = 0,
    shared: bool = False,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw one orthonormal frame per point, uniformly (by the Haar measure) and independently.

    The frame of a point is the Gram–Schmidt orthonormalisation of P standard normal vectors g₁ … g_P in R^D.
    A Gaussian matrix is invariant under rotations and Gram–Schmidt commutes with them, hence the law of the
    frame is the one that no rotation changes: the Haar measure.

    The frame of point i depends on `rng`, i and D alone. It is the same for every number of points, batch
    size, float format and device (up to rounding), and the first p directions of a frame with `dim` P are the
    frame with `dim` p: frames of one `rng` are nested.

    Parameters
    ----------
    n_points, n_features, dim : int
        N, D and P. A frame needs P ≤ D.
    rng : int or torch.Generator
        A seed, or a generator from which one is drawn. Global random states are neither read nor changed.
    shared : bool
        Give every point the frame of point 0.
    dtype, device
        Of the result. The numbers are always drawn on the CPU, in float32.

    Returns
    -------
    Tensor, shape (N, P, D)
        Frames with orthonormal rows.

    Raises
    ------
    InvalidInputError
        P > D, a size below one, or an `rng` that is neither a seed nor a generator.

    References
    ----------
    G. W. Stewart, The efficient generation of random orthogonal matrices, SIAM J. Numer. Anal. 17 (1980).

    Examples
    --------
    >>> frames = random_frames(10, 6, 4, rng=0)
    >>> bool(torch.allclose(frames @ frames.mT, torch.eye(4, dtype=torch.float64)))
    True
    >>> bool(torch.allclose(frames[:, :2], random_frames(10, 6, 2, rng=0)))
    True
    """
    if n_points < 1:
        raise InvalidInputError(f"n_points must be at least 1, not {n_points}")
    check_dim(dim, n_features)
    if n_points * dim * n_features > _MOST:
        raise InvalidInputError(f"{n_points} frames of {dim} × {n_features} numbers fit no memory: draw fewer at once")
    with FrameStream(n_features, dim, seed_of(rng), shared=shared, dtype=dtype, device=device) as stream:
        basis, mix = stream.take(range(n_points))
    return basis if mix is None else mix @ basis


def seed_of(rng: int | torch.Generator) -> int:
    """Turn an `rng` argument into a seed; a generator gives one of its numbers for it."""
    if isinstance(rng, torch.Generator):
        return int(torch.randint(2**62, (), generator=rng, device=rng.device))
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return int(rng)
    raise InvalidInputError(f"rng must be a non-negative integer or a torch.Generator, not {rng!r}")


class FrameStream:
    """The frames of one seed, handed out factorised: frame of point i = ``mix[i] @ basis[i]``.

    `basis` holds the Gaussian vectors, `mix` the inverse of their triangular factor (P, P), or None where
    `basis` is orthonormal already. A linear map can be applied to `basis` before the small mixing. Up to
    `n_points` frames are drawn ahead; those of index i are the frames ``first + i`` of the seed.
    """

    def __init__(
        self,
        n_features: int,
        dim: int,
        seed: int,
        *,
        n_points: int = 0,
        shared: bool = False,
        first: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        check_dim(dim, n_features)
        self.n_features, self.dim, self.shared, self.first = n_features, dim, shared, first
        self.dtype, self.device = dtype, device
        self._gaussians = Gaussians(n_features, dim, seed, 1 if shared else first + n_points)

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gaussians.close()

    def with_dtype(self, dtype: torch.dtype) -> FrameStream:
        """The same frames in another float format."""
        other = object.__new__(FrameStream)
        other.__dict__.update(self.__dict__, dtype=dtype)
        return other

    def take(self, points: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """Frames of the points with these indices behind `first`: basis (n, P, D) and mix (n, P, P) or None.

        `basis` may lie in memory that the next call writes to.
        """
        basis, mix = self._orthonormalise(self._gaussians.take(self._drawn(points)))
        if self.shared:
            basis = basis.expand(len(points), -1, -1)
            mix = None if mix is None else mix.expand(len(points), -1, -1)
        return basis, mix

    def _drawn(self, points: Sequence[int]) -> Sequence[int]:
        """The points whose numbers make these frames."""
        if self.shared:
            return range(1)
        if isinstance(points, range):
            return range(self.first + points.start, self.first + points.stop)
        return [self.first + point for point in points]

    def _orthonormalise(self, gaussians: Tensor) -> tuple[Tensor, Tensor | None]:
        """Gram–Schmidt, by whichever factorisation is both stable and cheap for this P and D.

        For P ≤ D/4 the condition number of a Gaussian matrix stays below about 3 = (1 + ½)/(1 − ½)
        (Marchenko–Pastur), so that Cholesky of the Gram matrix loses no more than one digit. Otherwise
        Householder reflections in float64, with the signs that make the triangular factor's diagonal
        positive.
        """
        if 4 * self.dim <= self.n_features and self.n_features >= _MANY_FEATURES:
            basis = gaussians.to(self.device, self.dtype)
            factor = torch.linalg.cholesky(basis @ basis.mT)
            identity = torch.eye(self.dim, dtype=self.dtype, device=self.device)
            return basis, torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
        q, r = torch.linalg.qr(gaussians.to(self.device, torch.float64).mT)
        signs = torch.sign(r.diagonal(dim1=-2, dim2=-1))
        return (q * signs.unsqueeze(-2)).mT.to(self.dtype), None


def check_dim(dim: int, n_features: int) -> None:
    """Refuse a frame that cannot exist."""
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or dim < 1:
        raise InvalidInputError(f"dim must be a positive integer, not {dim!r}")
    if dim > n_features:
        raise InvalidInputError(
            f"dim={dim} orthonormal directions do not exist in an input space of {n_features} dimensions"
        )
