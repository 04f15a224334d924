"""The planar subdivision and its refinement: batched over regions, events and windows; knows no network."""

from .arrays import Array as Array
from .arrays import as_array as as_array
from .arrays import as_tensor as as_tensor
from .arrays import on_host as on_host
from .arrays import positions as positions
from .dissolving import Dissolution as Dissolution
from .dissolving import dissolve as dissolve
from .refinement import Refinement as Refinement
from .refinement import refine as refine
from .signs import EventTable as EventTable
from .signs import decide_signs as decide_signs
from .subdivision import BORDER as BORDER
from .subdivision import Subdivision as Subdivision
from .subdivision import sort_by_window as sort_by_window
from .subdivision import windows as windows
from .tiles import Tile as Tile
from .tiles import cut_into_tiles as cut_into_tiles
