"""Named, reproducible experiments: `splinegeo train NAME --out DIR`."""

from .catalogue import RECIPES as RECIPES
from .catalogue import find_recipe as find_recipe
from .catalogue import quick as quick
from .recipe import Recipe as Recipe
from .recipe import Setting as Setting
from .run import run_recipe as run_recipe
from .tasks import DigitTask as DigitTask
from .tasks import ModularAddition as ModularAddition
