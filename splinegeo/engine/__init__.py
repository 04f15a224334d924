"""The exact engine: the one verb, and the loop behind it."""

from .compute import compute_partition as compute_partition
from .compute import compute_partitions as compute_partitions
