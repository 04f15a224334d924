"""Questions to a partition: free functions, one per file."""

from .betti import BettiNumbers as BettiNumbers
from .betti import betti_numbers as betti_numbers
from .boundary import DecisionBoundary as DecisionBoundary
from .boundary import decision_boundary as decision_boundary
from .density import EdgeDensity as EdgeDensity
from .density import edge_density as edge_density
from .distances import distance_to_boundary as distance_to_boundary
from .distances import distance_to_edges as distance_to_edges
from .linear_regions import linear_regions as linear_regions
from .migration import Migration as Migration
from .migration import find_migration as find_migration
from .migration import migration_index as migration_index
from .patterns import PatternChurn as PatternChurn
from .patterns import UnitActivity as UnitActivity
from .patterns import pattern_churn as pattern_churn
from .patterns import unit_activity as unit_activity
from .statistics import region_statistics as region_statistics
