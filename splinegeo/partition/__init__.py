"""`Partition`, the frozen record, and how it is checked and stored."""

from .certificate import CLOSE_DECISION as CLOSE_DECISION
from .certificate import Certificate as Certificate
from .check import CheckReport as CheckReport
from .frame import Frame as Frame
from .patterns import region_pieces as region_pieces
from .record import LINEAR as LINEAR
from .record import Partition as Partition
from .record import with_maps as with_maps
from .split import split_windows as split_windows
