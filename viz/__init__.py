"""Pictures and animations of spline partitions."""

from .animation import animate as animate
from .boundary import draw_decision_boundary as draw_decision_boundary
from .colouring import colour_limits as colour_limits
from .curves import draw_training_curves as draw_training_curves
from .partitions import draw_partition as draw_partition
from .points import draw_points as draw_points
