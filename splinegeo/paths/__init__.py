"""A path instead of a plane: the exact partition of a polyline in input space."""

from .compute import compute_path as compute_path
from .record import Path as Path
