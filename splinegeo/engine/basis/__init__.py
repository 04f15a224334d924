"""The walk for wide networks: functions in a basis of what bends on a tile, whatever the width of the network."""

from .walk import BasisWalk as BasisWalk
from .walk import is_wide as is_wide
