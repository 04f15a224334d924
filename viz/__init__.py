"""Pictures and animations of spline partitions, local complexity and deformation."""

from .animation import animate as animate
from .boundary import draw_decision_boundary as draw_decision_boundary
from .colouring import colour_limits as colour_limits
from .complexity import draw_complexity_map as draw_complexity_map
from .complexity import draw_layer_complexity as draw_layer_complexity
from .complexity import draw_local_complexity as draw_local_complexity
from .curves import draw_curves as draw_curves
from .curves import draw_training_curves as draw_training_curves
from .deformation import draw_deformation as draw_deformation
from .explorer import explore as explore
from .explorer import write_html as write_html
from .film import animate_migration as animate_migration
from .film import draw_edge_map as draw_edge_map
from .migration import draw_edge_density as draw_edge_density
from .migration import draw_migration_map as draw_migration_map
from .migration import draw_migration_profile as draw_migration_profile
from .partitions import draw_partition as draw_partition
from .paths import draw_path as draw_path
from .points import draw_points as draw_points
from .saving import save_figure as save_figure
from .sizes import draw_region_sizes as draw_region_sizes
