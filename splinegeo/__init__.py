"""Exact spline-partition geometry of deep networks."""

from .errors import CaptureError as CaptureError
from .errors import DegenerateSliceError as DegenerateSliceError
from .errors import InvalidInputError as InvalidInputError
from .errors import NonFiniteError as NonFiniteError
from .errors import NotPiecewiseAffineError as NotPiecewiseAffineError
from .errors import PartitionFileError as PartitionFileError
from .errors import SplineGeoError as SplineGeoError
from .analysis import DecisionBoundary as DecisionBoundary
from .analysis import decision_boundary as decision_boundary
from .analysis import region_statistics as region_statistics
from .engine import compute_partition as compute_partition
from .engine import compute_partitions as compute_partitions
from .partition import Certificate as Certificate
from .partition import CheckReport as CheckReport
from .partition import Partition as Partition
from .slices import Slice as Slice
