"""Run a small experiment in a folder, to be killed by a test: ``python killed.py FOLDER STEPS``."""

import sys
from pathlib import Path

from splinegeo.validation.data import DigitTask
from splinegeo.validation.experiments import Recipe, run_recipe
from splinegeo.validation.networks import Mlp
from splinegeo.validation.setting import Setting


def main():
    setting = Setting(Mlp((30,), batch_norm=True), DigitTask(n_train=70), batch_size=20, per_decade=40)
    sizes = {"dim": 2, "n_points": 10, "n_segments": 20, "n_attacked": 3, "n_victims": 5, "n_slices": 2}
    recipe = Recipe("killed", "To be killed", "none", {"plain": setting}, budgets=(0.1,), **sizes)
    run_recipe(recipe, Path(sys.argv[1]), last_step=int(sys.argv[2]), progress=False)


if __name__ == "__main__":
    main()
