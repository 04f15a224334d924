"""`run_recipe`: train, measure, look at the slice, draw, summarise."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from tqdm import tqdm

import splinegeo as sg

from ..checkpoints import ResumableTraining
from ..figures import save_table
from ..networks import format_of
from ..setting import Setting
from .attacks import measure_robustness
from .measuring import TABLE, open_tracker
from .pictures import ANIMATION, panels_of, save_comparison, save_panels, save_profile_table, save_slice_pictures
from .recipe import Recipe, chosen
from .slices import chosen_steps, compute_slices, save_slices, saved_steps
from .summary import flat, last_profile, report, summarise

SUMMARY, REPORT, NUMBERS = "summary.json", "summary.md", "summary.csv"

# Variant -> seed -> everything recorded.
Tables = dict[str, dict[int, np.ndarray]]


def run_recipe(
    recipe: Recipe,
    out: Path,
    *,
    seeds: Sequence[int] = (0,),
    variants: Sequence[str] | None = None,
    last_step: int | None = None,
    progress: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run an experiment, or go on with one, in a folder.

    Every variant and seed has a folder of its own, ``out/variant/seed_0``, with its checkpoints, its table of
    everything recorded, curves, and, for the first seed, the slice at its checkpoints and the animation. What is
    there already is not done again: a run that was killed ends with the bits of one that was not.

    Parameters
    ----------
    recipe : see `RECIPES`; `quick` makes it small
    out : folder, made if it does not exist
    seeds : each decides the split of the samples, the initialisation, the batches, the frames, the attacks
    variants : names of those to run, all by default
    last_step : instead of that of the recipe; may be raised later to go on
    progress : show bars
    say : called with a line for every result

    Returns
    -------
    dict
        What ``out/summary.json`` holds; ``summary.md`` shows it as tables, and ``summary.csv``, which grows with every
        training, holds all totals at all checkpoints.

    Raises
    ------
    InvalidInputError
        For an unknown variant, no seeds, or a folder that holds another training.
    """
    recipe = chosen(recipe, variants, last_step)
    if not seeds:
        raise sg.InvalidInputError("seeds is empty: there is nothing to train")
    out.mkdir(parents=True, exist_ok=True)
    tables: Tables = {}
    for seed in seeds:
        for name, setting in recipe.variants.items():
            one = Training(recipe, name, setting, seed, out / folder_name(name) / f"seed_{seed}")
            table = tables.setdefault(name, {})[seed] = one.measured(progress)
            save_table(out / NUMBERS, *flat(tables))
            one.draw(table, slices=seed == seeds[0] and recipe.n_slices > 0, progress=progress)
            say(f"{one.folder}: step {table['step'].max():,}")
    _draw_together(recipe, out, tables)
    summary = {
        "recipe": recipe.name,
        "claim": recipe.claim,
        "variants": {
            name: {f"seed {seed}": summarise(table, recipe) for seed, table in of_seeds.items()}
            for name, of_seeds in tables.items()
        },
    }
    for path, text in ((out / SUMMARY, json.dumps(summary, indent=1)), (out / REPORT, report(recipe, summary))):
        sg.write_whole(path, lambda stream, text=text: stream.write(text.encode()))  # type: ignore[misc]
    say(f"{out / SUMMARY}, .md, .csv: where accuracies end, when they rise, the phases of local complexity")
    return summary


def folder_name(variant: str) -> str:
    """Letters, digits and points, all else as underscores.

    >>> folder_name("squared error, beta2 .95")
    'squared_error_beta2_.95'
    """
    return "_".join("".join(c if c.isalnum() or c in ".-" else " " for c in variant).split())


@dataclass(frozen=True)
class Training:
    """One variant with one seed, in its folder."""

    recipe: Recipe
    name: str
    setting: Setting
    seed: int
    folder: Path

    def measured(self, progress: bool) -> np.ndarray:
        """Train to the end, record every checkpoint and attack some; everything recorded, in one table."""
        self.folder.mkdir(parents=True, exist_ok=True)
        samples = self.setting.task.load(self.seed)
        training = ResumableTraining(self.folder, self.setting, self.seed, samples)
        # Measured is a module of its own, so that nothing that is measured can touch what is trained.
        shown = self._module()
        tracker = open_tracker(shown, self.recipe, self.setting, samples, self.folder, self.seed)
        what, last = f"{self.name}, seed {self.seed}", self.setting.last_step
        with tqdm(total=last, initial=training.step, desc=what, unit="step", disable=not progress) as bar:
            for step in self.setting.steps():
                if step > training.step or tracker.due(step):
                    state = training.state_at(step, bar)
                    shown.to(format_of(state)).load_state_dict(state)
                    tracker.record(step)
        table = sg.load_table(self.folder / TABLE)
        if self.recipe.budgets:
            attacked = measure_robustness(
                self.folder, self.recipe, self.setting, samples, training.state_at, self.seed, progress=progress
            )
            table = np.concatenate([table, attacked])
        return table[np.isin(table["step"], self.setting.steps())]

    def draw(self, table: np.ndarray, *, slices: bool, progress: bool) -> None:
        """The curves, and the slice at some of the checkpoints if that is wanted."""
        panels = panels_of([table], self.recipe)
        save_panels(self.folder / "curves.png", panels, f"{self.recipe.title}: {self.name}, seed {self.seed}")
        steps = chosen_steps(self.setting.steps(), self.recipe.n_slices)
        # The animation is written last: where it is, the slices are those of the files beside it.
        if slices and not ((self.folder / ANIMATION).exists() and saved_steps(self.folder) == steps):
            (self.folder / ANIMATION).unlink(missing_ok=True)
            samples = self.setting.task.load(self.seed)
            found = compute_slices(self.setting.network, self.states(steps), self.recipe, samples, progress)
            save_slices(self.folder, found)
            save_slice_pictures(self.folder, found, panels, self.recipe, progress)

    def states(self, steps: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        """The weights at some of the checkpoints, of a training that has passed them."""
        samples = self.setting.task.load(self.seed)
        training = ResumableTraining(self.folder, self.setting, self.seed, samples)
        return {step: training.state_at(step) for step in steps}

    def _module(self) -> nn.Module:
        return self.setting.network.build(self.seed).eval()


def _draw_together(recipe: Recipe, out: Path, tables: Tables) -> None:
    known = {name: list(of_seeds.values()) for name, of_seeds in tables.items()}
    found = {name: last_profile(of_seeds) for name, of_seeds in known.items()}
    profiles = {name: profile for name, profile in found.items() if profile is not None}
    if profiles:
        fractions = np.linspace(0, 1, len(next(iter(profiles.values())))).tolist()
        save_profile_table(out / "profiles.png", profiles, fractions, f"{recipe.title}, last step")
    if len(tables) > 1:
        save_comparison(out / "comparison.png", known, recipe)
        return
    (of_seeds,) = known.values()
    if len(of_seeds) > 1:
        title = f"{recipe.title}: mean and range of {len(of_seeds)} seeds"
        save_panels(out / "curves.png", panels_of(of_seeds, recipe), title)
