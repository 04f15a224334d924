"""Questions to a partition: free functions, one per file."""

from .boundary import DecisionBoundary as DecisionBoundary
from .boundary import decision_boundary as decision_boundary
from .statistics import region_statistics as region_statistics
