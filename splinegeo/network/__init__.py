"""From a torch module to a verified list of affine and piecewise-affine operators; knows no polygon."""

from .captured import Network as Captured  # noqa: F401 - the public one; the engine calls a program a network
from .captured import capture as capture
from .captured import module_of as module_of
from .captured import network_of as network_of
from .captured import points_in as points_in
from .entry import enter as enter
from .entry import module_names as module_names
from .full_precision import full_precision as full_precision
from .maxima import MAXIMA as MAXIMA
from .program import Environment as Environment
from .program import Program as Network  # noqa: F401
from .program import Program as Program
from .program import Step as Step
from .section import Section as Section
from .section import restrict as restrict
from .splines import ACTIVATIONS as ACTIVATIONS
from .splines import Spline as Spline
from .table import AFFINE as AFFINE
from .table import COMPARISONS as COMPARISONS
from .table import CREATES as CREATES
from .table import MINIMA as MINIMA
from .table import SHAPED as SHAPED
from .table import Coefficients as Coefficients
from .translation import Architecture as Architecture
from .verify import verify as verify
from .weights import Source as Source
from .weights import load_weights as load_weights
