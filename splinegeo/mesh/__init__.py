"""The planar subdivision and its refinement: batched over regions, events and windows; knows no network."""

from .arrays import Array as Array
from .arrays import as_array as as_array
from .arrays import as_tensor as as_tensor
from .arrays import on_host as on_host
from .arrays import positions as positions
from .crossings import Births as Births
from .dissolving import Dissolution as Dissolution
from .dissolving import dissolve as dissolve
from .refinement import Refinement as Refinement
from .refinement import refine as refine
from .seams import side_by_side as side_by_side
from .seams import stitch as stitch
from .signs import EventTable as EventTable
from .signs import decide_signs as decide_signs
from .subdivision import BORDER as BORDER
from .subdivision import Subdivision as Subdivision
from .subdivision import sort_by_window as sort_by_window
from .subdivision import windows as windows
from .tiles import Cut as Cut
from .tiles import Seams as Seams
from .tiles import compact_tiles as compact_tiles
from .tiles import cut_into_tiles as cut_into_tiles
from .tiles import runs_along_a_curve as runs_along_a_curve
