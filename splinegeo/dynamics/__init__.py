"""What happens to a network while it trains: local complexity over the steps, its phases, robustness."""

from .attack import pgd_attack as pgd_attack
from .phases import Phases as Phases
from .phases import find_phases as find_phases
from .robustness import robust_accuracy as robust_accuracy
from .schedule import log_spaced as log_spaced
from .table import Series as Series
from .table import load_table as load_table
from .table import select_series as select_series
from .tracker import LocalComplexityTracker as LocalComplexityTracker
