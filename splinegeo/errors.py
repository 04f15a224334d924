"""The vocabulary of failure: every error of splinegeo is one clear sentence and derives from one class."""

from __future__ import annotations


class SplineGeoError(Exception):
    """Base class of every error that splinegeo raises on purpose.

    Bad arguments additionally derive from `ValueError`, so that ``except ValueError`` keeps working.
    """


class NotPiecewiseAffineError(SplineGeoError):
    """The network contains an operator that is not piecewise affine, so it has no spline partition.

    The message names the operator, the module path where it stands, and the ``until=`` that stops before it.
    """


class CaptureError(SplineGeoError):
    """The network could not be captured, or the captured network disagrees with the module it came from."""


class DegenerateSliceError(SplineGeoError, ValueError):
    """A slice that spans no area: collinear anchors, an empty or a non-convex window."""


class NonFiniteError(SplineGeoError, ValueError):
    """NaN or infinity among the weights, the anchors, or the values that the network computes from them."""


class InvalidInputError(SplineGeoError, ValueError):
    """An argument that does not fit: a wrong input shape, a module in training mode, an unknown name."""


class MemoryBudgetError(SplineGeoError, MemoryError):
    """The live tensors of a network would exceed the memory that `max_memory` allows."""


class SweepError(SplineGeoError):
    """A call of a sweep failed; names the point of the grid. What it raised is the cause."""


class PartitionFileError(SplineGeoError, ValueError):
    """A file that is not a whole, valid partition written by `Partition.save`."""
