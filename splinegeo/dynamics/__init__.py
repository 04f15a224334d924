"""What happens to a network while it trains: local complexity over the steps, its phases, robustness."""

from .apgd import apgd_attack as apgd_attack
from .attack import pgd_attack as pgd_attack
from .collapse import NeuralCollapse as NeuralCollapse
from .collapse import neural_collapse as neural_collapse
from .phases import Phases as Phases
from .phases import find_phases as find_phases
from .precision import PrecisionDiagnostics as PrecisionDiagnostics
from .precision import PrecisionWarning as PrecisionWarning
from .precision import precision_diagnostics as precision_diagnostics
from .profile import Crest as Crest
from .profile import MigrationProfile as MigrationProfile
from .profile import migration_profile as migration_profile
from .robustness import RobustAccuracy as RobustAccuracy
from .robustness import robust_accuracy as robust_accuracy
from .schedule import log_spaced as log_spaced
from .square import square_attack as square_attack
from .table import Series as Series
from .table import load_table as load_table
from .table import select_series as select_series
from .tracker import LocalComplexityTracker as LocalComplexityTracker
