"""The harness that holds splinegeo against the paper, on real data."""

from .digits import Digits as Digits
from .digits import load_digits as load_digits
from .training import TrainingRun as TrainingRun
from .training import log_spaced_steps as log_spaced_steps
from .training import mlp as mlp
from .training import train as train
