"""The experiments by name, as data. Everything else about them is in the files beside this one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import splinegeo as sg

from ..data import DigitTask, ModularAddition
from ..networks import Cnn, Mlp, Transformer
from ..setting import Setting
from .recipe import Recipe

# The authors' released MNIST setting: 784-200-200-200-10, 1 000 digits, batch 200, squared error on one-hot labels in
# float64, AdamW 1e-3, weight decay 0.01; ReLU instead of its GELU, so that there are exact partitions.
MLP = Setting()
# A third of its steps, for interventions.
SHORT = replace(MLP, last_step=30_000)
# Half the digits, three times the learning rate, and an optimiser whose noise lasts: regions migrate in 6 000 steps.
SMALL = Setting(
    task=DigitTask(500),
    learning_rate=3e-3,
    betas=(0.9, 0.95),
    last_step=6_000,
    checkpoints=(0, 100, 600, 2_000, 4_000, 6_000),
)
LARGE = replace(MLP, last_step=40_000, per_decade=4)
_CNN = Setting(network=Cnn(), task=DigitTask(images=True), weight_decay=0.0, last_step=19_953)

_LOSSES = {
    "squared error": "squared_error",
    "label smoothing": "label_smoothing",
    "squared hinge": "squared_hinge",
    "saturating margin": "saturating_margin",
    "clipped logits": "clipped_logits",
    "margin": "margin",
}


def _drivers(base: Setting, sgd_rate: float) -> dict[str, Setting]:
    """Losses with a finite target and without, and everything that feeds or starves the optimiser's noise."""
    fast, slow = (0.9, 0.95), (0.9, 0.999)
    assert isinstance(base.task, DigitTask)
    whole = base.task.n_train
    vary: dict[str, dict[str, Any]] = {
        **{f"{name}, beta2 .95": {"loss": loss} for name, loss in _LOSSES.items()},
        **{f"{name}, beta2 .999": {"loss": loss, "betas": slow} for name, loss in _LOSSES.items()},
        "SGD": {"optimizer": "sgd", "learning_rate": sgd_rate, "weight_decay": 0.0},
        "decayed": {"decay_until": base.last_step},
        "full batch": {"batch_size": whole},
        "beta2 .9": {"betas": (0.9, 0.9)},
        "beta2 .99": {"betas": (0.9, 0.99)},
        "batch 20": {"batch_size": 20},
        "eps 1e-5": {"eps": 1e-5},
        "eps 1e-5, beta2 .999": {"eps": 1e-5, "betas": slow},
        "decayed, beta2 .999": {"decay_until": base.last_step, "betas": slow},
        "full batch, noise 1e-5": {"batch_size": whole, "noise": 1e-5},
        "SGD, noise 1e-3": {"optimizer": "sgd", "learning_rate": sgd_rate, "weight_decay": 0.0, "noise": 1e-3},
        "SAM .05": {"sharpness": 0.05},
        "SGD, SAM .05": {"optimizer": "sgd", "learning_rate": sgd_rate, "weight_decay": 0.0, "sharpness": 0.05},
    }
    return {name: replace(base, **{"betas": fast, **changes}) for name, changes in vary.items()}


def _arms(base: Setting) -> dict[str, Setting]:
    """{cross-entropy, margin, squared error} × {float32, mixed, float64} × Adam's eps."""
    return {
        f"{name}, {precision}, eps {eps:.0e}": replace(base, loss=loss, precision=precision, eps=eps)
        for eps in (1e-8, 1e-5)
        for precision in ("float32", "float64", "mixed")
        for name, loss in (("cross-entropy", "cross_entropy"), ("margin", "margin"), ("squared error", "squared_error"))
    }


def _forks(base: Setting) -> dict[str, Setting]:
    """A training with cross-entropy that goes on in the other precision from a step on, and the two it came from."""
    plain = {name: replace(base, loss="cross_entropy", precision=name) for name in ("float32", "float64")}
    forks = {
        f"{before} to {after} at {step}": replace(plain[before], switch=(step, after))
        for step in (8_000, 14_000)
        for before, after in (("float64", "float32"), ("float32", "mixed"))
    }
    return {**plain, **forks}


_RECIPES = (
    Recipe(
        name="migration",
        title="Squared error, 500 digits, AdamW 3e-3 with beta2 .95",
        claim="Regions leave the data and gather at the decision boundary.",
        variants={"squared error": SMALL},
        radii=(0.005,),
        n_points=100,
        budgets=(0.06,),
        n_attacked=3,
        n_slices=0,
    ),
    Recipe(
        name="drivers",
        title="What drives migration: losses and noise, 500 digits",
        claim="A loss with a finite target, times noise of the optimiser that lasts, drives region migration.",
        variants=_drivers(SMALL, sgd_rate=0.5),
        radii=(0.005,),
        n_points=100,
        budgets=(0.06,),
        n_attacked=3,
        n_slices=0,
    ),
    Recipe(
        name="drivers_large",
        title="What drives migration: losses and noise, 1 000 digits",
        claim="A loss with a finite target, times noise of the optimiser that lasts, drives region migration.",
        variants=_drivers(LARGE, sgd_rate=0.2),
        radii=(0.005,),
        n_slices=0,
    ),
    Recipe(
        name="arms",
        title="Loss, precision and Adam's eps, 1 000 digits",
        claim="Local complexity around the data falls for a second time, whatever the loss and the float format.",
        variants=_arms(replace(MLP, per_decade=5)),
        n_slices=0,
    ),
    Recipe(
        name="fork",
        title="Cross-entropy, continued in another precision",
        claim="If the second descent is the network's, it does not depend on the precision of the loss.",
        variants=_forks(replace(MLP, last_step=30_000)),
        n_slices=0,
    ),
    Recipe(
        name="jumps",
        title="Squared error, 1 000 digits: what makes the jumps",
        claim="The optimiser's instability makes local complexity and robustness jump.",
        variants={
            "AdamW": replace(SHORT, per_decade=60),
            "beta2 .95": replace(SHORT, per_decade=60, betas=(0.9, 0.95)),
            "eps 1e-5": replace(SHORT, per_decade=60, eps=1e-5),
            "clipped": replace(SHORT, per_decade=60, clip=0.01),
            "SGD": replace(SHORT, per_decade=60, optimizer="sgd", learning_rate=0.2, weight_decay=0.0),
            "SAM .05": replace(SHORT, per_decade=60, sharpness=0.05),
            "ASAM .5": replace(SHORT, per_decade=60, sharpness=0.5, adaptive=True),
        },
        radii=(0.005,),
        n_points=250,
        n_segments=100,
        n_slices=0,
    ),
    Recipe(
        name="delayed_robustness",
        title="MNIST MLP 784-200-200-200-10 on 1 000 digits, squared error in float64",
        claim="Accuracy under attack rises long after the test accuracy has settled, while local complexity around "
        "the data falls for a second time and the regions migrate to the decision boundary.",
        variants={"mlp": MLP},
        n_points=1000,
        n_slices=41,
    ),
    Recipe(
        name="softmax_collapse",
        title="The same with cross-entropy: in float32, and with the control of its rounding",
        claim="What is seen in float32 and not with the same loss computed without cancellation is rounding.",
        variants={
            "cross-entropy, float32": replace(MLP, loss="cross_entropy", precision="float32"),
            "cross-entropy, mixed": replace(MLP, loss="cross_entropy", precision="mixed"),
            "margin, float32": replace(MLP, loss="margin", precision="float32"),
        },
    ),
    Recipe(
        name="init_scaling",
        title="All parameters scaled at initialisation",
        claim="Initialisation scaled up (8 in the related work) delays generalisation itself; local complexity then "
        "has no first descent.",
        variants={f"scale {scale}": replace(SHORT, network=Mlp(scale=float(scale))) for scale in (1, 2, 4, 8)},
    ),
    Recipe(
        name="depth",
        # As the authors' code counts: linear layers, so that depth 4 is three hidden layers, the network of the others.
        title="Linear layers, all but the last followed by 200 ReLUs",
        claim="Depth from 2 to 6 expedites region migration and robustness.",
        variants={f"depth {n}": replace(SHORT, network=Mlp(hidden=(200,) * (n - 1))) for n in (2, 3, 4, 5, 6)},
    ),
    Recipe(
        name="width",
        title="Three hidden layers of different width",
        claim="Width from 20 to 2 000 expedites region migration and robustness.",
        variants={
            **{f"width {n}": replace(SHORT, network=Mlp(hidden=(n,) * 3)) for n in (20, 60, 200, 600)},
            "width 2000": replace(SHORT, network=Mlp(hidden=(2000,) * 3), last_step=10_000),
        },
    ),
    Recipe(
        name="weight_decay",
        title="Weight decay of AdamW",
        claim="Weight decay from 0 to 1 delays robustness (table 1); it delays or hastens region migration, depending "
        "on the amount (text). The two statements do not agree.",
        variants={f"decay {decay:g}": replace(SHORT, weight_decay=decay) for decay in (0.0, 0.01, 0.1, 1.0)},
    ),
    Recipe(
        name="training_set",
        title="Training digits",
        claim="More training samples expedite robustness.",
        variants={f"{n} digits": replace(SHORT, task=DigitTask(n_train=n)) for n in (250, 1000, 4000)},
    ),
    Recipe(
        name="random_labels",
        title="Training digits with random labels",
        claim="With random labels more samples demand more memorisation and delay region migration.",
        variants={
            f"{n} digits": replace(SHORT, task=DigitTask(n_train=n, random_labels=True)) for n in (250, 1000, 4000)
        },
        attacked="train",
    ),
    Recipe(
        name="batch_size",
        title="Batch size",
        claim="Larger batches expedite robustness (shown for a ResNet18 on CIFAR10, 64 to 512).",
        variants={f"batch {n}": replace(SHORT, batch_size=n) for n in (50, 200, 1000)},
    ),
    Recipe(
        name="batch_norm",
        title="Batch norm before every activation",
        claim="With batch norm robustness does not rise late, or much later; local complexity has no first descent and "
        "stays higher (shown for a CNN and a ResNet18 on CIFAR10).",
        variants={"none": SHORT, "batch norm": replace(SHORT, network=Mlp(batch_norm=True))},
    ),
    Recipe(
        name="gelu",
        title="GELU in place of ReLU",
        claim="A GELU network has the dynamics of a ReLU network.",
        variants={"relu": SHORT, "gelu": replace(SHORT, network=Mlp(activation="gelu"))},
    ),
    Recipe(
        name="cnn",
        title="Five convolutions and two linear layers, with and without batch norm",
        claim="A CNN without batch norm becomes robust late, one with batch norm does not (shown on CIFAR10).",
        variants={"none": _CNN, "batch norm": replace(_CNN, network=Cnn(batch_norm=True))},
        n_segments=100,
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
                loss="cross_entropy",
                precision="float32",
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
