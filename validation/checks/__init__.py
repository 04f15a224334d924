"""`splinegeo validate`: the library against the paper's experiments and against laws that cannot be otherwise."""

from .finding import Finding as Finding
from .finding import Picture as Picture
from .finding import Rule as Rule
from .finding import Table as Table
from .report import Report as Report
from .runner import run_validation as run_validation
from .suite import CHECKS as CHECKS
