"""Named, reproducible experiments: `splinegeo train NAME --out DIR`."""

from .catalogue import RECIPES as RECIPES
from .catalogue import find_recipe as find_recipe
from .recipe import Recipe as Recipe
from .recipe import on_pictures as on_pictures
from .recipe import quick as quick
from .run import run_recipe as run_recipe
