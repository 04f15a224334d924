"""Grids of measurements on any executor; there is no scheduler here."""

from .partitions import sweep_partitions as sweep_partitions
from .sweep import Sweep as Sweep
from .sweep import sweep as sweep
