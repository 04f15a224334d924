"""Exact spline-partition geometry of deep networks."""

from .errors import CaptureError as CaptureError
from .errors import DegenerateSliceError as DegenerateSliceError
from .errors import InvalidInputError as InvalidInputError
from .errors import NonFiniteError as NonFiniteError
from .errors import NotPiecewiseAffineError as NotPiecewiseAffineError
from .errors import PartitionFileError as PartitionFileError
from .errors import SplineGeoError as SplineGeoError
