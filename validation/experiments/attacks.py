"""Accuracy under attack at some checkpoints of a training: the worst of several attacks, and each of them alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

import splinegeo as sg

from ..data import Samples
from ..figures import save_table
from ..networks import restored
from ..setting import Setting
from .recipe import Recipe
from .slices import chosen_steps

TABLE = "robustness.csv"
N_STEPS, N_QUERIES = 50, 500
# So many of the attacked checkpoints before a checkpoint lend it their attacks.
N_SOURCES = 3
_COLUMNS = ("step", "quantity", "probe", "radius", "layer", "value", "low", "high")

# The weights at a checkpoint.
States = Callable[[int], dict[str, Tensor]]


def robust_name(eps: float) -> str:
    """The name under which accuracy under the worst attack of that size is recorded."""
    return f"robust_accuracy_{eps:g}"


def attacked_steps(recipe: Recipe, setting: Setting) -> list[int]:
    """The checkpoints that are attacked: none before the first step."""
    trained = [step for step in setting.steps() if step]
    return chosen_steps(trained, recipe.n_attacked)


def measure_robustness(
    folder: Path, recipe: Recipe, setting: Setting, samples: Samples, states: States, seed: int, *, progress: bool
) -> np.ndarray:
    """Attack the checkpoints that were not attacked yet; a table of the columns of a tracker's.

    For every budget ε: ``robust_accuracy_ε``, the worst of APGD, PGD with its usual step size, Square, and transfer
    from the attacked checkpoints before; ``apgd_ε`` and so on for each alone; ``vanishing_gradients_ε``.
    """
    rows = _known(folder, _settings(recipe, seed))
    left = [step for step in attacked_steps(recipe, setting) if step not in {row[0] for row in rows}]
    for step in tqdm(left, desc="attacks", unit="checkpoint", disable=not progress):
        earlier = [other for other in attacked_steps(recipe, setting) if other < step][-N_SOURCES:]
        rows += _attack(recipe, setting, samples, states, seed, step, earlier)
        save_table(folder / TABLE, _COLUMNS, rows)
    return sg.load_table(folder / TABLE)


def _attack(
    recipe: Recipe, setting: Setting, samples: Samples, states: States, seed: int, step: int, earlier: list[int]
) -> list[tuple]:
    model, *sources = (restored(setting.network, states(one)) for one in (step, *earlier))
    pairs = {"train": (samples.train_x, samples.train_y), "test": (samples.test_x, samples.test_y)}
    x, y = (one[: recipe.n_victims] for one in pairs[recipe.attacked])
    attacks = ("apgd", "pgd", "square", *(("transfer",) if sources else ()))
    found: dict[str, float] = {}
    for eps in recipe.budgets:
        left = sg.robust_accuracy(
            model, x, y, eps=eps, attack=attacks, n_steps=N_STEPS, n_queries=N_QUERIES, sources=sources, rng=seed
        )
        found |= {robust_name(eps): float(left), **{f"{name}_{eps:g}": value for name, value in left.by_attack.items()}}
        found[f"vanishing_gradients_{eps:g}"] = left.vanishing_gradients
    return [(step, name, "", np.nan, "", value, np.nan, np.nan) for name, value in found.items()]


def _settings(recipe: Recipe, seed: int) -> dict[str, Any]:
    numbers = {"steps": N_STEPS, "queries": N_QUERIES, "sources": N_SOURCES, "seed": seed}
    return {"budgets": list(recipe.budgets), "victims": recipe.n_victims, "attacked": recipe.attacked, **numbers}


def _known(folder: Path, settings: dict[str, Any]) -> list[tuple]:
    """What was found with the same settings; what was found with others is begun anew."""
    beside = folder / f"{TABLE}.json"
    if beside.exists() and (folder / TABLE).exists() and json.loads(beside.read_text(encoding="utf-8")) == settings:
        return sg.load_table(folder / TABLE).tolist()
    (folder / TABLE).unlink(missing_ok=True)
    text = json.dumps(settings).encode()
    sg.write_whole(beside, lambda stream: stream.write(text))
    return []
