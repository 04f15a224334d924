"""`run_recipe`: train, measure, look at the slice, draw, summarise."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

import splinegeo as sg

from .measuring import TABLE, open_tracker
from .pictures import ANIMATION, panels_of, save_comparison, save_panels, save_slice_pictures
from .recipe import Recipe, Setting
from .report import report
from .resume import ResumableTraining
from .slices import chosen_steps, compute_slices, save_slices, saved_steps
from .summary import summarise

SUMMARY, REPORT = "summary.json", "summary.md"


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
        What ``out/summary.json`` holds; ``summary.md`` shows it as tables.

    Raises
    ------
    InvalidInputError
        For an unknown variant, no seeds, or a folder that holds another training.
    """
    recipe = _chosen(recipe, variants, last_step)
    if not seeds:
        raise sg.InvalidInputError("seeds is empty: there is nothing to train")
    tables: dict[str, list[np.ndarray]] = {}
    for name, setting in recipe.variants.items():
        for seed in seeds:
            one = _Training(recipe, name, setting, seed, out / name.replace(" ", "_") / f"seed_{seed}")
            tables.setdefault(name, []).append(one.measured(progress))
            one.draw(tables[name][-1], slices=seed == seeds[0], progress=progress)
            say(f"{one.folder}: table, checkpoints, curves" + (", slices, animation" if seed == seeds[0] else ""))
    _draw_together(recipe, out, tables, len(seeds))
    summary = _summary(recipe, tables, seeds)
    for path, text in ((out / SUMMARY, json.dumps(summary, indent=1)), (out / REPORT, report(recipe, summary))):
        _write(path, text)
    say(f"{out / SUMMARY}, .md: where accuracies end, when they rise, the phases of local complexity")
    return summary


@dataclass(frozen=True)
class _Training:
    """One variant with one seed, in its folder."""

    recipe: Recipe
    name: str
    setting: Setting
    seed: int
    folder: Path

    def measured(self, progress: bool) -> np.ndarray:
        """Train to the end and record every checkpoint; the table."""
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
                    shown.load_state_dict(training.state_at(step, bar))
                    tracker.record(step)
        table = sg.load_table(self.folder / TABLE)
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
            training = ResumableTraining(self.folder, self.setting, self.seed, samples)
            states = {step: training.state_at(step) for step in steps}
            found = compute_slices(self.setting.network, states, self.recipe, samples, progress)
            save_slices(self.folder, found)
            save_slice_pictures(self.folder, found, panels, self.recipe, progress)

    def _module(self) -> nn.Module:
        return self.setting.network.build(self.seed).eval()


def _chosen(recipe: Recipe, variants: Sequence[str] | None, last_step: int | None) -> Recipe:
    """The recipe with these variants alone, ending at that step."""
    unknown = [name for name in variants or () if name not in recipe.variants]
    if unknown:
        raise sg.InvalidInputError(f"'{recipe.name}' has no variant {unknown}; choose among {list(recipe.variants)}")
    if last_step is not None and last_step < 1:
        raise sg.InvalidInputError(f"a training takes at least one step, not {last_step}")
    chosen = {name: recipe.variants[name] for name in variants or recipe.variants}
    if last_step is not None:
        chosen = {name: replace(setting, last_step=last_step) for name, setting in chosen.items()}
    return replace(recipe, variants=chosen)


def _draw_together(recipe: Recipe, out: Path, tables: dict[str, list[np.ndarray]], n_seeds: int) -> None:
    if len(tables) > 1:
        save_comparison(out / "comparison.png", tables, recipe)
    elif n_seeds > 1:
        (of_seeds,) = tables.values()
        title = f"{recipe.title}: mean and range of {n_seeds} seeds"
        save_panels(out / "curves.png", panels_of(of_seeds, recipe), title)


def _summary(recipe: Recipe, tables: dict[str, list[np.ndarray]], seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "recipe": recipe.name,
        "claim": recipe.claim,
        "variants": {
            name: {f"seed {seed}": summarise(table, recipe) for seed, table in zip(seeds, of_seeds, strict=True)}
            for name, of_seeds in tables.items()
        },
    }


def _write(path: Path, text: str) -> None:
    sg.write_whole(path, lambda stream: stream.write(text.encode()))
