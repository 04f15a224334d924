"""An experiment of seconds, with everything that a large one has."""

import matplotlib.pyplot as plt
import pytest
from splinegeo.validation.data import DigitTask
from splinegeo.validation.experiments import Recipe
from splinegeo.validation.networks import Mlp
from splinegeo.validation.setting import Setting


@pytest.fixture(autouse=True)
def off_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture
def setting():
    return Setting(Mlp((8,)), DigitTask(n_train=60), batch_size=20, last_step=50, per_decade=3)


@pytest.fixture
def recipe(setting):
    return Recipe(
        "tiny",
        "A tiny network",
        "none",
        {"plain": setting},
        dim=2,
        n_points=12,
        n_segments=20,
        n_attacked=2,
        n_victims=12,
        budgets=(0.1,),
        n_slices=2,
    )
