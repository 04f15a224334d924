"""The harness that holds splinegeo against the paper, on real data: experiments and checks."""

from .data import Samples as Samples
from .data import load_digits as load_digits
from .networks import mlp as mlp
from .setting import Setting as Setting
from .training import TrainingRun as TrainingRun
from .training import log_spaced_steps as log_spaced_steps
from .training import train as train
