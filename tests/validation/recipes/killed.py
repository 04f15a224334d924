"""Run a small experiment in a folder, to be killed by a test: ``python killed.py FOLDER STEPS``."""

import sys
from pathlib import Path

from splinegeo.validation.networks import Mlp
from splinegeo.validation.recipes import DigitTask, Recipe, Setting, run_recipe


def main():
    setting = Setting(Mlp((30,), batch_norm=True), DigitTask(n_train=70), batch_size=20, per_decade=40)
    recipe = Recipe(
        "killed", "To be killed", "none", {"plain": setting}, dim=2, n_points=10, budgets=(0.1,), n_slices=2
    )
    run_recipe(recipe, Path(sys.argv[1]), last_step=int(sys.argv[2]), progress=False)


if __name__ == "__main__":
    main()
