"""Local complexity and deformation: what the network does around any point, without an exact partition."""

from .bounds import ComplexityBounds as ComplexityBounds
from .bounds import local_complexity_bounds as local_complexity_bounds
from .deformation import Deformation as Deformation
from .deformation import neighborhood_deformation as neighborhood_deformation
from .exact import ExactLocalComplexity as ExactLocalComplexity
from .exact import exact_local_complexity as exact_local_complexity
from .frames import random_frames as random_frames
from .image import ComplexityMap as ComplexityMap
from .image import complexity_map as complexity_map
from .local import LocalComplexity as LocalComplexity
from .local import local_complexity as local_complexity
