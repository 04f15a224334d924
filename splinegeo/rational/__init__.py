"""Exact arithmetic: polygons in homogeneous integers, affine forms over powers of two, and their subdivision."""

from .layers import AffineLayer as AffineLayer
from .layers import ElementwiseLayer as ElementwiseLayer
from .layers import Layer as Layer
from .layers import MaxLayer as MaxLayer
from .layers import UnitFunction as UnitFunction
from .layers import elementwise as elementwise
from .numbers import dyadic as dyadic
from .polygons import BORDER as BORDER
from .polygons import Polygon as Polygon
from .polygons import polygon_of as polygon_of
from .recursion import rational_partition as rational_partition
from .regions import RationalPartition as RationalPartition
from .regions import RationalRegion as RationalRegion
from .subdivision import Subdivision as Subdivision
from .subdivision import subdivide as subdivide
