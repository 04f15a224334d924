"""From a torch module to a verified list of affine and piecewise-affine operators; knows no polygon."""

from .capture import Architecture as Architecture
from .capture import capture as capture
from .full_precision import full_precision as full_precision
from .precision import double_copy as double_copy
from .program import Environment as Environment
from .program import Network as Network
from .program import Step as Step
from .section import Section as Section
from .section import restrict as restrict
from .verify import verify as verify
