"""The experiments by name, as data. Everything else about them is in the files beside this one."""

from __future__ import annotations

from dataclasses import replace

import splinegeo as sg

from ..networks import Cnn, Mlp, Transformer
from .recipe import Recipe, Setting
from .tasks import DigitTask, ModularAddition

# The paper's MNIST network: 784-200-200-200-10, 1 000 digits, batch 200, AdamW 1e-3, weight decay 0.01.
MLP = Setting()
_CNN = Setting(network=Cnn(), task=DigitTask(images=True), weight_decay=0.0, last_step=19_953)

_RECIPES = (
    Recipe(
        name="delayed_robustness",
        title="MNIST MLP 784-200-200-200-10 on 1 000 digits",
        claim="Accuracy under attack rises long after the test accuracy has settled, while local complexity around "
        "the data falls for a second time and the regions migrate to the decision boundary.",
        variants={"mlp": MLP},
        n_points=1000,
        n_slices=41,
    ),
    Recipe(
        name="init_scaling",
        title="All parameters scaled at initialisation, squared error",
        claim="Initialisation scaled up (8 in the related work) delays generalisation itself; local complexity then "
        "has no first descent.",
        variants={
            f"scale {scale}": replace(MLP, network=Mlp(scale=float(scale)), loss="squared_error")
            for scale in (1, 2, 4, 8)
        },
    ),
    Recipe(
        name="depth",
        title="Hidden layers of 200 units",
        claim="Depth from 2 to 6 expedites region migration and robustness.",
        variants={f"depth {n}": replace(MLP, network=Mlp(hidden=(200,) * n)) for n in (2, 3, 4, 5, 6)},
    ),
    Recipe(
        name="width",
        title="Three hidden layers of different width",
        claim="Width from 20 to 2 000 expedites region migration and robustness.",
        variants={f"width {n}": replace(MLP, network=Mlp(hidden=(n,) * 3)) for n in (20, 60, 200, 600, 2000)},
    ),
    Recipe(
        name="weight_decay",
        title="Weight decay of AdamW",
        claim="Weight decay from 0 to 1 delays robustness (table 1); it delays or hastens region migration, depending "
        "on the amount (text). The two statements do not agree.",
        variants={f"decay {decay:g}": replace(MLP, weight_decay=decay) for decay in (0.0, 0.01, 0.1, 1.0)},
    ),
    Recipe(
        name="training_set",
        title="Training digits",
        claim="More training samples expedite robustness.",
        variants={f"{n} digits": replace(MLP, task=DigitTask(n_train=n)) for n in (250, 1000, 4000)},
    ),
    Recipe(
        name="random_labels",
        title="Training digits with random labels",
        claim="With random labels more samples demand more memorisation and delay region migration.",
        variants={
            f"{n} digits": replace(MLP, task=DigitTask(n_train=n, random_labels=True)) for n in (250, 1000, 4000)
        },
        attacked="train",
    ),
    Recipe(
        name="batch_size",
        title="Batch size",
        claim="Larger batches expedite robustness (shown for a ResNet18 on CIFAR10, 64 to 512).",
        variants={f"batch {n}": replace(MLP, batch_size=n) for n in (50, 200, 1000)},
    ),
    Recipe(
        name="batch_norm",
        title="Batch norm before every activation",
        claim="With batch norm robustness does not rise late, or much later; local complexity has no first descent and "
        "stays higher (shown for a CNN and a ResNet18 on CIFAR10).",
        variants={"none": MLP, "batch norm": replace(MLP, network=Mlp(batch_norm=True))},
    ),
    Recipe(
        name="gelu",
        title="GELU in place of ReLU",
        claim="A GELU network has the dynamics of a ReLU network.",
        variants={"relu": MLP, "gelu": replace(MLP, network=Mlp(activation="gelu"))},
    ),
    Recipe(
        name="cnn",
        title="Five convolutions and two linear layers, with and without batch norm",
        claim="A CNN without batch norm becomes robust late, one with batch norm does not (shown on CIFAR10).",
        variants={"none": _CNN, "batch norm": replace(_CNN, network=Cnn(batch_norm=True))},
    ),
    Recipe(
        name="modular_addition",
        title="a + b mod 59 by a one-layer transformer",
        claim="Test accuracy rises long after the training error has vanished; local complexity of the MLP's units "
        "around the embedded tokens falls while it does.",
        variants={
            "transformer": Setting(
                network=Transformer(),
                task=ModularAddition(),
                weight_decay=1.0,
                betas=(0.9, 0.98),
                batch_size=2000,
                last_step=5_012,
                per_decade=20,
            )
        },
        budgets=(),
        n_slices=24,
    ),
)

RECIPES = {recipe.name: recipe for recipe in _RECIPES}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    if name not in RECIPES:
        raise sg.InvalidInputError(f"there is no recipe '{name}'; choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


def quick(recipe: Recipe) -> Recipe:
    """The same on a smaller scale: the first and the last variant, fewer steps, points, directions and slices."""
    ends = list(recipe.variants)[:: max(len(recipe.variants) - 1, 1)]
    return replace(
        recipe,
        variants={name: replace(recipe.variants[name], last_step=40, per_decade=3) for name in ends},
        dim=4,
        n_points=50,
        attack_steps=3,
        n_slices=2,
        resolution=16,
    )
